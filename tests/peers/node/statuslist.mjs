// Status lists (docs/spec/status-list.md).

import { inflateSync } from "node:zlib";

import { CborError, decodeCbor } from "./cbor.mjs";
import { isSign1By, parseSign1, Sign1Error } from "./sign1.mjs";

const TYP = "application/statuslist+cwt";
const MAX_TOKEN_BYTES = 266_240;
const MAX_ENTRIES = 2 ** 20;
const DAY_S = 24 * 3600;

/** Its result is what an answer says. */
export class StatusListError extends Error {
  constructor(result) {
    super(result);
    this.result = result;
  }
}

export function refuse(result) {
  throw new StatusListError(result);
}

export function refuseIf(wrong, name) {
  if (wrong) refuse(`StatusList${name}Error`);
}

/** The first second at which a list decides nothing any more. */
export function endOf(list) {
  return Math.min(list.exp, list.iat + DAY_S + 1);
}

/** The entry, or undefined behind the end. */
export function statusAt(list, index) {
  const bit = index * list.bits;
  const byte = list.packed[bit >> 3];
  return byte === undefined ? undefined : (byte >> (bit & 7)) & ((1 << list.bits) - 1);
}

/** A list that was accepted earlier: steps 1 to 7. */
export function recallStatusList(data, trust) {
  const { payload, issuer, key } = signedPayload(data, TYP, MAX_TOKEN_BYTES, trust);
  const claims = claimsOf(payload);
  requireInForce(key, claims.iat);
  const number = numberOf(claims.sub, issuer);
  const packed = inflate(claims.lst, (MAX_ENTRIES * claims.bits) / 8);
  refuseIf(packed.length === 0, "Format");
  return { ...claims, number, data, key, packed };
}

/** The list to hold from now on. */
export function acceptStatusList(held, data, trust, now) {
  const list = recallStatusList(data, trust);
  requireCurrent(list.iat, list.exp, now);
  requireInForce(list.key, now);
  if (held === null || held.data.equals(list.data)) return list;
  refuseIf(held.number !== list.number, "Scope");
  refuseIf(list.iat <= held.iat, "Rollback");
  refuseIf(list.packed.length < held.packed.length || list.bits !== held.bits, "Cleared");
  refuseIf(comesBack(held, list), "Cleared");
  return list;
}

function comesBack(held, list) {
  const entries = (held.packed.length * 8) / held.bits;
  for (let index = 0; index < entries; index++) {
    const [before, after] = [statusAt(held, index), statusAt(list, index)];
    if (before !== after && (before === 1 || (before !== 0 && after === 0))) return true;
  }
  return false;
}

/** Steps 1 to 3: what a status key signed as this type, and whose key that is. */
export function signedPayload(data, typ, maxBytes, trust) {
  const sign1 = formatted(Sign1Error, () => parseSign1(data, typ, maxBytes));
  const found = trust.byKid.get(sign1.kid.toString("hex"));
  refuseIf(found === undefined || found.key.purpose !== "status", "Signer");
  refuseIf(!isSign1By(sign1, found.key.publicKey), "Signer");
  return { payload: sign1.payload, ...found };
}

/** What `read` gives; its errors of this kind are those of a format. */
export function formatted(kind, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof kind) return refuseIf(true, "Format");
    throw error;
  }
}

export function requireInForce(key, at) {
  refuseIf(at < key.notBefore || at >= key.notAfter, "Signer");
}

export function requireCurrent(issuedAt, exp, now) {
  refuseIf(issuedAt > now || now >= exp, "Expired");
}

function claimsOf(payload) {
  const claims = formatted(CborError, () => decodeCbor(payload, { ordered: false }));
  refuseIf(!hasExactly(claims, [2, 4, 6, 65533, 65534]), "Format");
  const [sub, exp, iat, list, ttl] = [2, 4, 6, 65533, 65534].map((label) => claims.get(label));
  refuseIf(!hasExactly(list, ["bits", "lst"]), "Format");
  const [bits, lst] = [list.get("bits"), list.get("lst")];
  const numbers = [exp, iat, ttl].every((number) => typeof number === "number");
  refuseIf(!numbers || typeof sub !== "string" || !Buffer.isBuffer(lst), "Format");
  refuseIf(![1, 2, 4, 8].includes(bits) || iat < 0 || iat >= exp || ttl <= 0, "Format");
  return { sub, exp, iat, bits, lst };
}

export function hasExactly(map, keys) {
  return map instanceof Map && map.size === keys.length && keys.every((key) => map.has(key));
}

function numberOf(sub, issuer) {
  const digits = sub.startsWith(issuer.statusBase) ? sub.slice(issuer.statusBase.length, -4) : "";
  const plain = sub.endsWith(".cwt") && /^(0|[1-9][0-9]{0,6})$/.test(digits);
  const number = Number(digits);
  refuseIf(!plain || number < issuer.firstList || number > issuer.lastList, "Scope");
  return number;
}

/** Exactly one whole zlib stream. */
export function inflate(stream, maxOutputLength) {
  let inflated;
  try {
    inflated = inflateSync(stream, { maxOutputLength, info: true });
  } catch {
    return refuseIf(true, "Format"); // whatever zlib finds wrong, or a byte too many
  }
  refuseIf(inflated.engine.bytesWritten !== stream.length, "Format");
  return inflated.buffer;
}
