// Base45, strict (RFC 9285; docs/spec/code.md, "Text and picture").

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

export class TransportError extends Error {
  result = "TransportError";
}

export function decodeBase45(text) {
  const digits = Array.from(text, (character) => ALPHABET.indexOf(character));
  if (digits.includes(-1)) throw new TransportError("a character outside the alphabet");
  if (digits.length % 3 === 1) throw new TransportError("one character left over");
  const bytes = [];
  for (let at = 0; at < digits.length; at += 3) {
    const [c, d, e] = digits.slice(at, at + 3);
    const number = c + 45 * d + 2025 * (e ?? 0);
    if (number > (e === undefined ? 0xff : 0xffff)) throw new TransportError("a group too large");
    bytes.push(...(e === undefined ? [number] : [number >> 8, number & 0xff]));
  }
  return Buffer.from(bytes);
}
