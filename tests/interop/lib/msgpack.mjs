// Canonical MessagePack (SPEC 3.1). The decoder refuses whatever is not in its shortest form: nothing is encoded again.
// Integers are numbers where they are safe and BigInts beyond; nil is null, binary a Uint8Array.
import { bigEndian, join, toBigInt, utf8 } from './bytes.mjs';
import { malformed } from './refusal.mjs';

const MAX_DEPTH = 16; // twice what anything of the protocol needs
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Reader {
  constructor(data) {
    this.data = data;
    this.place = 0;
  }

  take(count) {
    const end = this.place + count;
    if (end > this.data.length) throw malformed('3.1');
    const part = this.data.subarray(this.place, end);
    this.place = end;
    return part;
  }

  unsigned(size) {
    const value = toBigInt(this.take(size));
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  // An unsigned integer whose form begins with the number `from`: below it a shorter form exists.
  atLeast(from, size) {
    const value = this.unsigned(size);
    if (value < from) throw malformed('3.1');
    return value;
  }

  // A negative integer below `under`: from there on a shorter form exists, and positive ones have forms of their own.
  negative(under, size) {
    const value = BigInt.asIntN(size * 8, toBigInt(this.take(size)));
    if (value >= under) throw malformed('3.1');
    return value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;
  }

  text(size) {
    try {
      return textDecoder.decode(this.take(size));
    } catch (error) {
      if (error instanceof TypeError) throw malformed('3.3');
      throw error;
    }
  }

  array(count, depth) {
    if (depth >= MAX_DEPTH) throw malformed('3.1');
    const values = [];
    for (let index = 0; index < count; index += 1) values.push(this.value(depth + 1));
    return values;
  }

  value(depth = 0) {
    const head = this.take(1)[0];
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head >= 0xa0 && head < 0xc0) return this.text(head & 31);
    if (head >= 0x90 && head < 0xa0) return this.array(head & 15, depth);
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.take(this.unsigned(1));
      case 0xc5: return this.take(this.atLeast(0x100, 2));
      case 0xc6: return this.take(this.atLeast(0x10000, 4));
      case 0xcc: return this.atLeast(0x80, 1);
      case 0xcd: return this.atLeast(0x100, 2);
      case 0xce: return this.atLeast(0x10000, 4);
      case 0xcf: return this.atLeast(0x100000000, 8);
      case 0xd0: return this.negative(-32n, 1);
      case 0xd1: return this.negative(-0x80n, 2);
      case 0xd2: return this.negative(-0x8000n, 4);
      case 0xd3: return this.negative(-0x80000000n, 8);
      case 0xd9: return this.text(this.atLeast(32, 1));
      case 0xda: return this.text(this.atLeast(0x100, 2));
      case 0xdb: return this.text(this.atLeast(0x10000, 4));
      case 0xdc: return this.array(this.atLeast(16, 2), depth);
      case 0xdd: return this.array(this.atLeast(0x10000, 4), depth);
      default: throw malformed('3.1'); // maps, floats, extensions, and 0xc1
    }
  }
}

// The value of canonical bytes; throws Refusal `malformed` for any others.
export function unpack(data) {
  const reader = new Reader(data);
  const value = reader.value();
  if (reader.place !== data.length) throw malformed('3.1');
  return value;
}

function head(forms, count) {
  const [byte, size] = forms.find(([, , end]) => count < end);
  return size === 0 ? Uint8Array.of(byte + count) : join(Uint8Array.of(byte), bigEndian(count, size));
}

const BIN = [[0xc4, 1, 0x100], [0xc5, 2, 0x10000], [0xc6, 4, 0x100000000]];
const TEXT = [[0xa0, 0, 32], [0xd9, 1, 0x100], [0xda, 2, 0x10000], [0xdb, 4, 0x100000000]];
const ARRAY = [[0x90, 0, 16], [0xdc, 2, 0x10000], [0xdd, 4, 0x100000000]];
const POSITIVE = [[0x80, 0xcc, 1], [0x100, 0xcc, 1], [0x10000, 0xcd, 2], [0x100000000, 0xce, 4], [2n ** 64n, 0xcf, 8]];
const NEGATIVE = [[-0x80, 0xd0, 1], [-0x8000, 0xd1, 2], [-0x80000000, 0xd2, 4], [-(2n ** 63n), 0xd3, 8]];

function packInteger(value) {
  if (value >= -32 && value < 0x80) return Uint8Array.of(Number(value) & 0xff);
  const [, byte, size] = value < 0
    ? NEGATIVE.find(([low]) => value >= low)
    : POSITIVE.find(([high]) => value < high);
  return join(Uint8Array.of(byte), bigEndian(BigInt.asUintN(64, BigInt(value)), size));
}

export function pack(value) {
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === 'number' || typeof value === 'bigint') return packInteger(value);
  if (value instanceof Uint8Array) return join(head(BIN, value.length), value);
  if (typeof value === 'string') {
    const data = utf8(value);
    return join(head(TEXT, data.length), data);
  }
  return join(head(ARRAY, value.length), ...value.map(pack));
}
