// Whether an auth's signature holds for an envelope, a batch statement or a log-in (SPEC 5.3, 5.6, 5.8, 5.9, 5.14).
import { EIP191, EIP712, SESSION, SOLANA } from './auths.mjs';
import { equal, H } from './bytes.mjs';
import { signedText, textDigest, typedDigest } from './members.mjs';
import { Refusal } from './refusal.mjs';
import { recoverAccount, verifyEd25519 } from './signatures.mjs';

// `subject` is the id, batch id or hash that Ed25519 forms bind; `members` is what the readable forms show.
export function verifyAuth(network, author, auth, subject, members) {
  const holds = (condition, rule) => {
    if (!condition) throw new Refusal('bad-signature', rule);
  };
  switch (auth.scheme) {
    case EIP712:
      return holds(equal(recoverAccount(typedDigest(auth.chainId, members()), auth.signature), author), '5.3');
    case EIP191:
      return holds(equal(recoverAccount(textDigest(signedText(members())), auth.signature), author), '5.6');
    case SESSION:
      return holds(verifyEd25519(auth.key, H('session', network.id, auth.grantId, subject), auth.signature), '5.8');
    case SOLANA:
      return holds(verifyEd25519(author.subarray(1), H('solana', network.id, subject), auth.signature), '5.9');
    default:
      throw new Refusal('chain-unavailable', '5.14');
  }
}
