// The trust list (docs/spec/trust-list.md).

import { byteString, CborError, decodeCbor, textString } from "./cbor.mjs";
import { isSigned, isTrustedKey, kidOf } from "./ed25519.mjs";
import { protectedHeader } from "./sign1.mjs";

const TYP = "application/celadon-trust-list+cbor";
const BODY = Buffer.concat([Buffer.from([0xa1, 0x10]), textString(TYP)]);
const MAX_BYTES = 2 ** 20;
const [MAX_SIGNATURES, MAX_ROOTS, MAX_KEYS, MAX_POLICIES] = [32, 16, 4096, 256];
const [MAX_STEP, MAX_SKEW_S] = [26_280, 300];
const PURPOSES = ["code", "status", "evidence", "rules", "checkpoint", "witness", "receiving"];
const UNSEEN =
  "\\u{0}-\\u{1f}\\u{7f}-\\u{a0}\\u{ad}\\u{61c}\\u{1680}\\u{180e}\\u{2000}-\\u{200f}\\u{2028}-\\u{202f}" +
  "\\u{205f}-\\u{206f}\\u{3000}\\u{d800}-\\u{f8ff}\\u{feff}\\u{fff9}-\\u{fffb}\\u{fffe}\\u{ffff}" +
  "\\u{e0000}-\\u{e00ff}\\u{f0000}-\\u{10ffff}";
const LINE = new RegExp(`^[^${UNSEEN}]{1,128}$`, "u");
const PATH = "(:[0-9]{1,5})?/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*";
const HTTPS = new RegExp(`^https://[a-z0-9.-]+${PATH}$`);
const AT_HOME = new RegExp(`^http://(127\\.0\\.0\\.1|localhost|\\[::1\\])${PATH}$`);
const POLICY_NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Its result is what an answer says. */
export class TrustListError extends Error {
  constructor(result) {
    super(result);
    this.result = result;
  }
}

function refuse(name) {
  throw new TrustListError(`TrustList${name}Error`);
}

function refuseIf(wrong, name) {
  if (wrong) refuse(name);
}

/** The list to hold from now on. */
export function acceptTrustList(held, data, roots, now) {
  const trusted = held === null || held.roots.epoch < roots.epoch ? roots : held.roots;
  const list = verifyTrustList(data, trusted);
  if (held !== null) requireSuccessor(held, list);
  refuseIf(now < list.issuedAt - MAX_SKEW_S, "Clock");
  refuseIf(now >= list.notAfter, "Expired");
  return list;
}

/** Steps 1 to 5. */
export function verifyTrustList(data, roots) {
  const envelope = parseEnvelope(data);
  requireQuorum(envelope, roots);
  const list = decodeTrustList(envelope.payload);
  refuseIf(list.roots.environment !== roots.environment, "Environment");
  const rotated = list.roots.epoch === roots.epoch + 1;
  refuseIf(!rotated && !list.roots.bytes.equals(roots.bytes), "Epoch");
  if (rotated) requireQuorum(envelope, list.roots);
  requireNoStranger(envelope, list);
  return list;
}

/** A list that this verifier holds: verified when it came. */
export function recallTrustList(data) {
  return decodeTrustList(parseEnvelope(data).payload);
}

export function decodeRoots(data) {
  return rootsOf(decode(data));
}

function decode(data) {
  refuseIf(data.length > MAX_BYTES, "Format");
  try {
    return decodeCbor(data);
  } catch (error) {
    if (error instanceof CborError) refuse("Format");
    throw error;
  }
}

// --- (1) the envelope ------------------------------------------------------------------------

function parseEnvelope(data) {
  refuseIf(data[0] === 0xd2, "Type");
  refuseIf(data[0] !== 0xd8 || data[1] !== 98, "Format");
  const [body, payload, entries] = signedParts(decode(data.subarray(2)), 4);
  refuseIf(!Buffer.isBuffer(payload) || !Array.isArray(entries), "Format");
  refuseIf(!body.equals(BODY), "Type");
  refuseIf(entries.length > MAX_SIGNATURES, "Format");
  const signatures = entries.map(signatureOf);
  refuseIf(!isAscending(signatures.map(({ kid }) => kid)), "Signer");
  return { payload, signatures };
}

/** Protected bytes and what stands behind the empty unprotected map. */
function signedParts(value, count) {
  refuseIf(!Array.isArray(value) || value.length !== count, "Format");
  const [header, unprotected, ...rest] = value;
  refuseIf(!Buffer.isBuffer(header), "Format");
  refuseIf(!(unprotected instanceof Map) || unprotected.size > 0, "Format");
  return [header, ...rest];
}

function signatureOf(entry) {
  const [header, signature] = signedParts(entry, 3);
  refuseIf(!Buffer.isBuffer(signature) || signature.length !== 64, "Format");
  const kid = header.subarray(5, 9);
  refuseIf(kid.length !== 4 || !header.equals(protectedHeader(kid, null)), "Format");
  return { kid, header, signature };
}

function isAscending(items) {
  return items.every((item, at) => at === 0 || Buffer.compare(items[at - 1], item) < 0);
}

// --- (2), (5) who signed ---------------------------------------------------------------------

function requireQuorum(envelope, roots) {
  const own = envelope.signatures.filter(({ kid }) => roots.byKid.has(hex(kid)));
  refuseIf(own.length < roots.threshold, "Quorum");
  for (const entry of own) requireSigned(envelope, entry, roots.byKid.get(hex(entry.kid)));
}

function requireNoStranger(envelope, list) {
  for (const entry of envelope.signatures) {
    const name = hex(entry.kid);
    if (list.roots.byKid.has(name)) continue;
    refuseIf(!list.formerRoots.has(name), "Signer");
    requireSigned(envelope, entry, list.formerRoots.get(name));
  }
}

function requireSigned(envelope, entry, publicKey) {
  const structure = Buffer.concat([
    Buffer.from([0x85]),
    textString("Signature"),
    byteString(BODY),
    byteString(entry.header),
    byteString(Buffer.alloc(0)),
    byteString(envelope.payload),
  ]);
  refuseIf(!isSigned(structure, entry.signature, publicKey), "Signature");
}

// --- (3), (4) what the list says -------------------------------------------------------------

function decodeTrustList(payload) {
  const value = decode(payload);
  const members = membersOf(value, [1, 2, 3, 4, 5, 6, 7], [8, 9]);
  const [version, issuedAt, nextUpdate, notAfter, ...parts] = members;
  const [roots, issuers, withdrawn, former, policies] = parts;
  refuseIf(![version, issuedAt, nextUpdate, notAfter].every(isCount) || version < 1, "Format");
  refuseIf(issuedAt >= nextUpdate || nextUpdate > notAfter, "Format");
  const list = {
    payload, version, issuedAt, notAfter,
    roots: rootsOf(roots),
    issuers: arrayOf(issuers).map(issuerOf),
    withdrawn: new Set(ascending(arrayOf(withdrawn).map(kidOfList), "Format").map(hex)),
    formerRoots: keyed(ascending(optional(former).map(publicKeyOf), "Key")),
    policies: new Map(optional(policies).map(policyOf)),
  };
  requireConsistent(list, optional(policies).length);
  list.byKid = indexOf(list);
  return list;
}

function requireConsistent({ issuers, policies, roots }, pins) {
  refuseIf(!isAscending(issuers.map(({ region }) => Buffer.from(region))), "Format");
  refuseIf(policies.size !== pins || pins > MAX_POLICIES, "Format");
  refuseIf(!isAscending([...policies.keys()].map((name) => Buffer.from(name))), "Format");
  const ranges = [...issuers].sort((one, other) => one.firstList - other.firstList);
  refuseIf(ranges.slice(1).some(({ firstList }, at) => firstList <= ranges[at].lastList), "Range");
  const lasting = issuers.filter(({ ending }) => ending === null).map(({ region }) => region);
  for (const { ending, statusBase } of issuers) {
    refuseIf(ending !== null && !lasting.includes(ending.successor), "Successor");
    const atHome = roots.environment === "test" && AT_HOME.test(statusBase);
    refuseIf(!HTTPS.test(statusBase) && !atHome, "Environment");
  }
}

/** Every listed key by its kid, each once, and none that is a root's or dead. */
function indexOf(list) {
  const pairs = list.issuers.flatMap((issuer) => issuer.keys.map((key) => ({ issuer, key })));
  refuseIf(pairs.length > MAX_KEYS, "Key");
  const byKid = new Map(pairs.map((pair) => [hex(kidOf(pair.key.publicKey)), pair]));
  refuseIf(byKid.size !== pairs.length, "Key");
  const roots = new Set([...list.roots.byKid.keys(), ...list.formerRoots.keys()]);
  refuseIf(roots.size !== list.roots.byKid.size + list.formerRoots.size, "Key");
  for (const name of [...roots, ...list.withdrawn]) refuseIf(byKid.has(name), "Key");
  return byKid;
}

function rootsOf(value) {
  const [epoch, threshold, environment, keys] = membersOf(value, [1, 2, 3, 4]);
  const publicKeys = ascending(arrayOf(keys).map(publicKeyOf), "Key");
  refuseIf(!isCount(epoch) || epoch < 1 || !isCount(threshold) || threshold < 1, "Format");
  refuseIf(threshold > publicKeys.length || publicKeys.length > MAX_ROOTS, "Format");
  refuseIf(environment !== "production" && environment !== "test", "Format");
  // What tells two sets of roots apart.
  const rest = Buffer.from(JSON.stringify([epoch, threshold, environment]));
  const bytes = Buffer.concat([rest, ...publicKeys]);
  return { epoch, threshold, environment, byKid: keyed(publicKeys), bytes };
}

function issuerOf(value) {
  const members = membersOf(value, [1, 2, 3, 4, 5, 6, 7, 8], [9]);
  const [region, nameZh, nameEn, statusBase, firstList, lastList, contact, keys, ending] = members;
  refuseIf(![nameZh, nameEn, statusBase, contact].every(isLine), "Format");
  refuseIf(!isRegion(region) || ![firstList, lastList].every(isNumber), "Format");
  refuseIf(firstList < 0 || firstList > lastList || lastList >= 2 ** 20, "Range");
  const listed = arrayOf(keys).map(keyOf);
  ascending(listed.map(({ publicKey }) => publicKey), "Key");
  const end = endingOf(ending);
  const codeKeys = listed.filter(({ purpose }) => purpose === "code");
  refuseIf(codeKeys.some(({ notAfter }) => notAfter > (end?.graceUntil ?? Infinity)), "Successor");
  return { region, statusBase, firstList, lastList, keys: listed, ending: end };
}

function keyOf(value) {
  refuseIf(!Array.isArray(value) || value.length !== 4, "Format");
  const [publicKey, purpose, notBefore, notAfter] = value;
  refuseIf(![notBefore, notAfter].every(isNumber), "Format");
  refuseIf(purpose === "trust-root" || notBefore < 0 || notBefore >= notAfter, "Key");
  refuseIf(!PURPOSES.includes(purpose), "Format");
  return { publicKey: publicKeyOf(publicKey), purpose, notBefore, notAfter };
}

function endingOf(value) {
  if (value === undefined) return null;
  refuseIf(!Array.isArray(value) || value.length !== 3, "Format");
  const [successor, endsAt, graceUntil] = value;
  refuseIf(!isRegion(successor) || ![endsAt, graceUntil].every(isNumber), "Format");
  refuseIf(endsAt < 0 || endsAt > graceUntil, "Successor");
  return { successor, endsAt, graceUntil };
}

function policyOf(value) {
  refuseIf(!Array.isArray(value) || value.length !== 3, "Format");
  const [name, version, digest] = value;
  refuseIf(typeof name !== "string" || name.length > 128 || !POLICY_NAME.test(name), "Format");
  refuseIf(!isCount(version) || version < 1, "Format");
  return [name, { version, digest: bytesOf(digest, 32, "Format") }];
}

function kidOfList(value) {
  return bytesOf(value, 4, "Format");
}

function publicKeyOf(value) {
  const publicKey = bytesOf(value, 32, "Key");
  refuseIf(!isTrustedKey(publicKey), "Key");
  return publicKey;
}

function membersOf(value, required, optionals = []) {
  refuseIf(!(value instanceof Map) || !required.every((key) => value.has(key)), "Format");
  const known = [...required, ...optionals];
  refuseIf([...value.keys()].some((key) => !known.includes(key)), "Format");
  return known.map((key) => value.get(key));
}

function arrayOf(value) {
  refuseIf(!Array.isArray(value), "Format");
  return value;
}

/** An optional array is not there, or has something in it. */
function optional(value) {
  if (value === undefined) return [];
  refuseIf(arrayOf(value).length === 0, "Format");
  return value;
}

function bytesOf(value, length, error) {
  refuseIf(!Buffer.isBuffer(value), "Format");
  refuseIf(value.length !== length, error);
  return value;
}

/** Items in ascending order; for one that stands twice the error is `twice`. */
function ascending(items, twice) {
  const orders = items.slice(1).map((item, at) => Buffer.compare(items[at], item));
  refuseIf(orders.includes(1), "Format");
  refuseIf(orders.includes(0), twice);
  return items;
}

function keyed(publicKeys) {
  const byKid = new Map(publicKeys.map((publicKey) => [hex(kidOf(publicKey)), publicKey]));
  refuseIf(byKid.size !== publicKeys.length, "Key");
  return byKid;
}

function isNumber(value) {
  return typeof value === "number";
}

function isCount(value) {
  return isNumber(value) && value >= 0;
}

function isLine(value) {
  return typeof value === "string" && LINE.test(value);
}

function isRegion(value) {
  return typeof value === "string" && /^[0-9]{6}$/.test(value);
}

function hex(bytes) {
  return bytes.toString("hex");
}

// --- (6) to (8) what may follow --------------------------------------------------------------

function requireSuccessor(held, list) {
  const sameEpoch = held.roots.epoch === list.roots.epoch;
  if (sameEpoch) {
    refuseIf(list.version < held.version, "Rollback");
    refuseIf(list.version === held.version && !list.payload.equals(held.payload), "Equivocation");
    refuseIf(list.issuedAt < held.issuedAt, "Rollback");
  }
  refuseIf(list.version > held.version + MAX_STEP, "Step");
  refuseIf([...held.withdrawn].some((kid) => !list.withdrawn.has(kid)), "Withdrawal");
  if (sameEpoch) {
    for (const issuer of held.issuers) requireEndingKept(issuer, list);
    for (const [name, pin] of held.policies) requireKept(pin, list.policies.get(name));
  }
}

function requireEndingKept({ region, ending: before }, list) {
  if (before === null) return;
  const after = list.issuers.find((issuer) => issuer.region === region)?.ending ?? {};
  const members = ["successor", "endsAt", "graceUntil"];
  refuseIf(members.some((member) => after[member] !== before[member]), "Successor");
}

function requireKept(before, after) {
  refuseIf(after === undefined || after.version < before.version, "Policy");
  refuseIf(after.version === before.version && !after.digest.equals(before.digest), "Policy");
}
