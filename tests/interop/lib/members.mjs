// What a person reads when signing (SPEC 5.4, 5.5), as an EIP-712 digest (SPEC 5.3) and as an EIP-191 text (SPEC 5.6).
import { showAccount, showTopic } from './accounts.mjs';
import { bigEndian, hex, join, keccak, sha, utf8, ZERO32 } from './bytes.mjs';
import { KINDS, SCOPES } from './bodies.mjs';
import { pack } from './msgpack.mjs';

const MODES = [null, 'retract', 'cancel', 'replaced-by'];
const time = (value) => new Date(value).toISOString();
const hashOf = (value) => (value === null ? ZERO32 : sha(pack(value)));

// Each function gives [primary type, [type, name, value]...] in signing order.
const ENVELOPES = {
  1: (body) => ['Topic', [
    ['string', 'topic', showTopic(body.topic)],
    ['string', 'title', body.title],
    ['string', 'description', body.description ?? ''],
    ['bytes32', 'contentHash', hashOf([body.icon, body.categories, body.settings])],
  ]],
  2: (body) => ['Grant', [
    ['bytes32', 'key', body.key],
    ['string', 'kinds', body.scopes.map((scope) => SCOPES.get(scope)).join(', ')],
    ['string', 'topics', body.topics === null ? 'all' : body.topics.map(showTopic).join(', ')],
    ['bytes32', 'sealKey', body.sealKey ?? ZERO32],
    ['uint32', 'firstSeq', body.firstSeq],
    ['uint32', 'endSeq', body.endSeq],
    ['string', 'notBefore', time(body.notBefore)],
    ['string', 'expires', time(body.expiresAt)],
  ]],
  3: (body) => ['Revocation', [
    ['bytes32', 'grant', body.grantId ?? ZERO32],
    ['string', 'before', body.before === null ? '' : time(body.before)],
    ['string', 'cutTime', time(body.cutTime)],
    ['uint32', 'cutSeq', body.cutSeq],
  ]],
  4: (body) => ['Subscription', [
    ['string', 'topic', showTopic(body.topic)],
    ['string', 'state', body.on ? 'on' : 'off'],
    ['bytes32', 'settingsHash', hashOf(body.settings)],
    ['bool', 'receipts', body.receipts],
  ]],
  5: (body) => ['Notification', [
    ['string', 'topic', showTopic(body.topic)],
    ['string', 'title', body.title ?? ''],
    ['string', 'body', body.body ?? ''],
    ['string', 'url', body.url ?? ''],
    ['string', 'expires', time(body.expiresAt)],
    ['uint32', 'audienceCount', body.audience?.length ?? 0],
    ['bytes32', 'audienceHash', hashOf(body.audience)],
    ['bytes32', 'actionsHash', hashOf(body.actions)],
    ['bytes32', 'sealedHash', hashOf(body.sealed)],
  ]],
  6: (body) => ['Retraction', [
    ['string', 'topic', showTopic(body.topic)],
    ['string', 'mode', MODES[body.mode]],
    ['bytes32', 'target', body.target],
    ['bytes32', 'replacement', body.replacement ?? ZERO32],
  ]],
  7: (body) => ['NodeBinding', [
    ['bytes32', 'node', body.nodeId],
    ['string', 'expires', time(body.expiresAt)],
  ]],
  64: (body) => ['Preferences', [['bytes32', 'entriesHash', hashOf(body.entries)]]],
  65: (body) => ['PrivateSubscription', [
    ['string', 'topic', showTopic(body.topic)],
    ['string', 'state', body.on ? 'on' : 'off'],
    ['bytes32', 'settingsHash', hashOf(body.settings)],
  ]],
};

export function envelopeMembers(network, kind, body, id) {
  const [name, members] = ENVELOPES[kind](body);
  return [name, [['string', 'network', network.display], ...members, ['bytes32', 'id', id]]];
}

export function batchMembers(network, [author, kind, topic, epoch, firstSeq, count, expiresAt, root]) {
  return ['Batch', [
    ['string', 'network', network.display],
    ['string', 'author', showAccount(author)],
    ['string', 'kind', KINDS.get(kind)],
    ['string', 'topic', showTopic(topic)],
    ['uint64', 'epoch', epoch],
    ['uint32', 'firstSeq', firstSeq],
    ['uint32', 'count', count],
    ['string', 'expires', time(expiresAt)],
    ['bytes32', 'root', root],
  ]];
}

export function loginMembers(network, [, nodeId, host, account, nonce, issuedAt, purpose]) {
  return ['LogIn', [
    ['bytes32', 'networkId', network.id],
    ['bytes32', 'node', nodeId],
    ['string', 'host', host],
    ['string', 'account', showAccount(account)],
    ['bytes32', 'nonce', nonce],
    ['string', 'issuedAt', time(issuedAt)],
    ['string', 'purpose', purpose],
  ]];
}

function encode([type, , value]) {
  if (type === 'string') return keccak(utf8(value));
  return type === 'bytes32' ? value : bigEndian(Number(value), 32);
}

function hashStruct([name, members]) {
  const type = `${name}(${members.map(([kind, member]) => `${kind} ${member}`).join(',')})`;
  return keccak(join(keccak(utf8(type)), ...members.map(encode)));
}

export function typedDigest(chainId, members) {
  const domain = [['string', 'name', 'pushmesh'], ['string', 'version', '1']];
  if (chainId !== null) domain.push(['uint256', 'chainId', chainId]);
  return keccak(join(Uint8Array.of(0x19, 0x01), hashStruct(['EIP712Domain', domain]), hashStruct(members)));
}

// The argument of a wallet's eth_signTypedData_v4.
export function typedData(chainId, [name, members]) {
  const domainTypes = [{ name: 'name', type: 'string' }, { name: 'version', type: 'string' }];
  const domain = { name: 'pushmesh', version: '1' };
  if (chainId !== null) {
    domainTypes.push({ name: 'chainId', type: 'uint256' });
    domain.chainId = chainId;
  }
  const json = (value) => (value instanceof Uint8Array ? `0x${hex(value)}` : value);
  return {
    types: { EIP712Domain: domainTypes, [name]: members.map(([type, member]) => ({ name: member, type })) },
    primaryType: name,
    domain,
    message: Object.fromEntries(members.map(([, member, value]) => [member, json(value)])),
  };
}

const ESCAPES = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

export function signedText([name, members]) {
  const show = (value) => {
    if (value instanceof Uint8Array) return `0x${hex(value)}`;
    return String(value).replace(/[\\\n\r\t]/g, (letter) => ESCAPES[letter]);
  };
  return [`pushmesh 1 ${name}`, ...members.map(([, member, value]) => `${member}: ${show(value)}`)].join('\n');
}

export function textDigest(text) {
  const data = utf8(text);
  return keccak(join(utf8(`\x19Ethereum Signed Message:\n${data.length}`), data));
}
