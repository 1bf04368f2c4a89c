// Signs what wallets are asked to sign, with viem and with ethers. Reads one JSON request a line
// ({secret, typed_data} or {secret, text}) and writes one JSON answer a line ({viem, ethers}); ends with its input.
import { createInterface } from 'node:readline';
import { Wallet } from 'ethers';
import { privateKeyToAccount } from 'viem/accounts';

async function signTypedData(secret, { types, domain, primaryType, message }) {
  const { EIP712Domain, ...ownTypes } = types; // ethers derives the domain's type itself
  return {
    viem: await privateKeyToAccount(secret).signTypedData({ types, domain, primaryType, message }),
    ethers: await new Wallet(secret).signTypedData(domain, ownTypes, message),
  };
}

async function signText(secret, text) {
  return {
    viem: await privateKeyToAccount(secret).signMessage({ message: text }),
    ethers: await new Wallet(secret).signMessage(text),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, typed_data: typedData, text } = JSON.parse(line);
  const answer = typedData ? await signTypedData(secret, typedData) : await signText(secret, text);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
