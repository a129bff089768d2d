// Ed25519 as docs/spec/sign1.md has it under "Keys and signatures". OpenSSL verifies; what it lets
// pass and the page does not, keys and R of small order or in a second spelling, is looked at here.

import { createHash, createPublicKey, verify } from "node:crypto";

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);
// y of the points of order 1, 2, 4 and 8, and what is the same modulo p and below 2^255.
const ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL_ORDER = new Set([0n, 1n, ORDER_8, P - ORDER_8, P - 1n, P, P + 1n]);

/** Whether `signature`, 64 bytes, is one of `message` by this key. */
export function isSigned(message, signature, publicKey) {
  if (signature.length !== 64 || yOf(publicKey) >= P) return false;
  const points = [publicKey, signature.subarray(0, 32)];
  if (points.some((point) => SMALL_ORDER.has(yOf(point)))) return false;
  const jwk = { kty: "OKP", crv: "Ed25519", x: publicKey.toString("base64url") };
  return verify(null, message, createPublicKey({ key: jwk, format: "jwk" }), signature);
}

/** The first four bytes of the key's COSE Key Thumbprint. */
export function kidOf(publicKey) {
  const key = Buffer.concat([Buffer.from("a301012006215820", "hex"), publicKey]);
  return createHash("sha256").update(key).digest().subarray(0, 4);
}

const trusted = new Map();

/** Whether these bytes are a canonical point of the main subgroup. */
export function isTrustedKey(publicKey) {
  const name = publicKey.toString("hex");
  if (!trusted.has(name)) trusted.set(name, isOfMainSubgroup(publicKey));
  return trusted.get(name);
}

function isOfMainSubgroup(publicKey) {
  const y = yOf(publicKey);
  if (publicKey.length !== 32 || y >= P || SMALL_ORDER.has(y)) return false;
  const x = xOf(y, publicKey[31] >> 7);
  return x !== null && isNeutral(times(L, [x, y, 1n, mod(x * y)]));
}

function yOf(bytes) {
  return BigInt("0x" + Buffer.from(bytes).reverse().toString("hex")) & (2n ** 255n - 1n);
}

// RFC 8032 §5.1.3.
function xOf(y, sign) {
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) === mod(-u)) x = mod(x * ROOT_OF_MINUS_1);
  if (mod(v * x * x) !== u || (x === 0n && sign === 1)) return null;
  return x % 2n === BigInt(sign) ? x : mod(-x);
}

// RFC 8032 §5.1.4, extended homogeneous coordinates.
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * D * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(scalar, point) {
  let sum = [0n, 1n, 1n, 0n];
  let double = point;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(sum, double);
    double = add(double, double);
  }
  return sum;
}

function isNeutral([x, y, z]) {
  return x === 0n && y === z;
}

function mod(number) {
  return ((number % P) + P) % P;
}

function inverse(number) {
  return power(number, P - 2n);
}

function power(base, exponent) {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}
