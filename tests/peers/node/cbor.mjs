// The CBOR that Celadon signs: one value, one encoding (docs/spec/sign1.md, "CBOR").
// Integers become numbers, byte strings Buffers, maps Maps. A text never equals a Buffer.

const MAX_DEPTH = 8;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class CborError extends Error {
  result = "CborError";
}

/** The one item in `data`; `ordered: false` lets keys of maps stand in any order. */
export function decodeCbor(data, { ordered = true } = {}) {
  const reader = new Reader(data, ordered);
  const value = reader.item(0);
  if (reader.at !== data.length) throw new CborError("bytes behind the item");
  return value;
}

class Reader {
  constructor(data, ordered) {
    this.data = data;
    this.ordered = ordered;
    this.at = 0;
  }

  take(count) {
    if (count > this.data.length - this.at) throw new CborError("cut off");
    this.at += count;
    return this.data.subarray(this.at - count, this.at);
  }

  /** The argument of a head, in its shortest form and of 53 bits. */
  argument(information) {
    if (information < 24) return information;
    if (information > 27) throw new CborError("indefinite or reserved");
    const size = 1 << (information - 24);
    const number = BigInt("0x" + this.take(size).toString("hex"));
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (number < least) throw new CborError("could be shorter");
    if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw new CborError("beyond 53 bits");
    return Number(number);
  }

  item(depth) {
    const head = this.take(1)[0];
    const major = head >> 5;
    if (major === 7) return simple(head);
    if (major === 6) throw new CborError("a tag");
    const argument = this.argument(head & 31);
    if (major === 0) return argument;
    if (major === 1) return negative(argument);
    if (major === 2) return Buffer.from(this.take(argument));
    if (major === 3) return this.text(argument);
    if (depth === MAX_DEPTH) throw new CborError("too deep");
    return major === 4 ? this.array(argument, depth + 1) : this.map(argument, depth + 1);
  }

  text(length) {
    try {
      return UTF8.decode(this.take(length));
    } catch (error) {
      throw new CborError(`text: ${error.message}`);
    }
  }

  array(length, depth) {
    const items = [];
    for (let n = 0; n < length; n++) items.push(this.item(depth));
    return items;
  }

  map(length, depth) {
    const members = new Map();
    let before = null;
    for (let n = 0; n < length; n++) {
      const start = this.at;
      const key = this.item(depth);
      if (typeof key !== "number" && typeof key !== "string") throw new CborError("no such key");
      if (members.has(key)) throw new CborError("a key twice");
      const encoded = this.data.subarray(start, this.at);
      if (this.ordered && before !== null && Buffer.compare(before, encoded) >= 0) {
        throw new CborError("keys out of order");
      }
      before = encoded;
      members.set(key, this.item(depth));
    }
    return members;
  }
}

function simple(head) {
  if (head === 0xf4) return false;
  if (head === 0xf5) return true;
  if (head === 0xf6) return null;
  throw new CborError("a float, or a simple value that is not used");
}

function negative(argument) {
  if (argument === Number.MAX_SAFE_INTEGER) throw new CborError("beyond 53 bits");
  return -1 - argument;
}

/** A byte string with its head. */
export function byteString(data) {
  return Buffer.concat([head(2, data.length), data]);
}

export function textString(text) {
  const data = Buffer.from(text, "utf-8");
  return Buffer.concat([head(3, data.length), data]);
}

function head(major, argument) {
  if (argument < 24) return Buffer.from([(major << 5) | argument]);
  const size = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : 4;
  const made = Buffer.alloc(1 + size);
  made[0] = (major << 5) | (24 + Math.log2(size));
  made.writeUIntBE(argument, 1, size);
  return made;
}
