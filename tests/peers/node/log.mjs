// Checkpoints and proofs of the log (docs/spec/log.md).

import { createHash } from "node:crypto";

import { isSigned, isTrustedKey } from "./ed25519.mjs";

const MAX_BYTES = 1_000_000;
const [MAX_SIGNATURE_LINES, MAX_HASHES] = [100, 63];
const [SIGNATURE, COSIGNATURE] = [1, 4];
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Its result is what an answer says. */
export class LogError extends Error {
  constructor(result) {
    super(result);
    this.result = result;
  }
}

function refuseIf(wrong, name) {
  if (wrong) throw new LogError(name);
}

export function parseVkey(text) {
  const [name, id, ...rest] = text.split("+");
  const key = base64Of(rest.join("+"));
  const vkey = { name, publicKey: key.subarray(1) };
  const right = key[0] === SIGNATURE && isTrustedKey(vkey.publicKey);
  if (!right || id !== idOf(vkey, SIGNATURE).toString("hex")) throw new LogError("vkey");
  return vkey;
}

function idOf({ name, publicKey }, type) {
  return sha256(Buffer.from(`${name}\n`), Buffer.from([type]), publicKey).subarray(0, 4);
}

/** The size and root that the log signed; with `timestamp`, its own cosignature is there too. */
export function verifyCheckpoint(data, vkey, timestamp = false) {
  const error = "CheckpointError";
  refuseIf(data.length > MAX_BYTES || data.some((byte) => byte < 0x20 && byte !== 0x0a), error);
  const note = decodeText(data, error);
  const end = note.lastIndexOf("\n\n");
  refuseIf(end < 0 || !note.endsWith("\n"), error);
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2).split("\n").slice(0, -1);
  refuseIf(lines.length < 1 || lines.length > MAX_SIGNATURE_LINES, error);
  const parsed = lines.map(parseLine).filter(({ name }) => name === vkey.name);
  for (const type of timestamp ? [SIGNATURE, COSIGNATURE] : [SIGNATURE]) {
    const first = parsed.find(({ id }) => id.equals(idOf(vkey, type)));
    refuseIf(first === undefined || !isSignedBy(first.signature, type, text, vkey), error);
  }
  return checkpointOf(text, vkey);
}

function parseLine(line) {
  const match = /^\u2014 ([^\p{White_Space}+]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
  refuseIf(match === null, "CheckpointError");
  const data = base64Of(match[2], "CheckpointError");
  refuseIf(data.length < 5, "CheckpointError");
  return { name: match[1], id: data.subarray(0, 4), signature: data.subarray(4) };
}

function isSignedBy(signature, type, text, { publicKey }) {
  if (type === SIGNATURE) return isSigned(Buffer.from(text), signature, publicKey);
  if (signature.length !== 72) return false;
  const time = signature.readBigUInt64BE();
  const message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
  return time < 2n ** 63n && isSigned(message, signature.subarray(8), publicKey);
}

function checkpointOf(text, vkey) {
  const error = "CheckpointError";
  const lines = text.split("\n").slice(0, -1);
  refuseIf(lines.length < 3 || lines.includes(""), error);
  const [origin, size, root] = [lines[0], lines[1], base64Of(lines[2], error)];
  refuseIf(origin !== vkey.name || root.length !== 32, error);
  refuseIf(!/^(0|[1-9][0-9]*)$/.test(size) || BigInt(size) >= 2n ** 63n, error);
  return { size: BigInt(size), root };
}

/** That `entry` is in the log that signs with this key. */
export function verifyProof(data, entry, vkey) {
  const error = "ProofError";
  refuseIf(data.length > MAX_BYTES, error);
  const end = data.indexOf("\n\n");
  refuseIf(end < 0, error);
  const [header, ...lines] = decodeText(data.subarray(0, end), error).split("\n");
  refuseIf(header !== "c2sp.org/tlog-proof@v1", error);
  if (lines[0]?.startsWith("extra ")) base64Of(lines.shift().slice(6), error);
  const index = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? "");
  const hashes = lines.map((line) => base64Of(line, error));
  refuseIf(index === null || hashes.length > MAX_HASHES, error);
  refuseIf(hashes.some((hash) => hash.length !== 32), error);
  const { size, root } = verifyCheckpoint(data.subarray(end + 2), vkey);
  refuseIf(BigInt(index[1]) >= size, error);
  const computed = rootOf(sha256(Buffer.from([0]), entry), BigInt(index[1]), size, hashes);
  refuseIf(!computed.equals(root), error);
}

/** Halved as in "Verifying as an outsider", step 4: the last hash is that of the other half. */
function rootOf(leaf, index, size, hashes) {
  if (size === 1n) {
    refuseIf(hashes.length > 0, "ProofError");
    return leaf;
  }
  refuseIf(hashes.length === 0, "ProofError");
  const [rest, other] = [hashes.slice(0, -1), hashes.at(-1)];
  let half = 1n;
  while (half * 2n < size) half *= 2n;
  if (index < half) return node(rootOf(leaf, index, half, rest), other);
  return node(other, rootOf(leaf, index - half, size - half, rest));
}

function node(left, right) {
  return sha256(Buffer.from([1]), left, right);
}

function sha256(...parts) {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function decodeText(data, error) {
  try {
    return UTF8.decode(data);
  } catch {
    throw new LogError(error);
  }
}

/** Only the one spelling of the bytes. */
function base64Of(text, error) {
  const data = Buffer.from(text, "base64");
  refuseIf(data.toString("base64") !== text, error);
  return data;
}
