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

function refuse(name) {
  throw new StatusListError(`StatusList${name}Error`);
}

function refuseIf(wrong, name) {
  if (wrong) refuse(name);
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
  const token = parse(data);
  const found = trust.byKid.get(token.kid.toString("hex"));
  refuseIf(found === undefined || found.key.purpose !== "status", "Signer");
  refuseIf(!isSign1By(token, found.key.publicKey), "Signer");
  const claims = claimsOf(token.payload);
  requireInForce(found.key, claims.iat);
  const number = numberOf(claims.sub, found.issuer);
  return { ...claims, number, data, key: found.key, packed: inflate(claims.lst, claims.bits) };
}

/** The list to hold from now on. */
export function acceptStatusList(held, data, trust, now) {
  const list = recallStatusList(data, trust);
  refuseIf(list.iat > now || now >= list.exp, "Expired");
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

function parse(data) {
  try {
    return parseSign1(data, TYP, MAX_TOKEN_BYTES);
  } catch (error) {
    if (error instanceof Sign1Error) refuse("Format");
    throw error;
  }
}

function requireInForce(key, at) {
  refuseIf(at < key.notBefore || at >= key.notAfter, "Signer");
}

function claimsOf(payload) {
  let claims;
  try {
    claims = decodeCbor(payload, { ordered: false });
  } catch (error) {
    if (error instanceof CborError) refuse("Format");
    throw error;
  }
  refuseIf(!hasExactly(claims, [2, 4, 6, 65533, 65534]), "Format");
  const [sub, exp, iat, list, ttl] = [2, 4, 6, 65533, 65534].map((label) => claims.get(label));
  refuseIf(!hasExactly(list, ["bits", "lst"]), "Format");
  const [bits, lst] = [list.get("bits"), list.get("lst")];
  const numbers = [exp, iat, ttl].every((number) => typeof number === "number");
  refuseIf(!numbers || typeof sub !== "string" || !Buffer.isBuffer(lst), "Format");
  refuseIf(![1, 2, 4, 8].includes(bits) || iat < 0 || iat >= exp || ttl <= 0, "Format");
  return { sub, exp, iat, bits, lst };
}

function hasExactly(map, keys) {
  return map instanceof Map && map.size === keys.length && keys.every((key) => map.has(key));
}

function numberOf(sub, issuer) {
  const digits = sub.startsWith(issuer.statusBase) ? sub.slice(issuer.statusBase.length, -4) : "";
  const plain = sub.endsWith(".cwt") && /^(0|[1-9][0-9]{0,6})$/.test(digits);
  const number = Number(digits);
  refuseIf(!plain || number < issuer.firstList || number > issuer.lastList, "Scope");
  return number;
}

function inflate(lst, bits) {
  const maxOutputLength = (MAX_ENTRIES * bits) / 8;
  let inflated;
  try {
    inflated = inflateSync(lst, { maxOutputLength, info: true });
  } catch {
    return refuse("Format"); // whatever zlib finds wrong, or a byte too many
  }
  const { buffer, engine } = inflated;
  refuseIf(buffer.length === 0 || engine.bytesWritten !== lst.length, "Format");
  return buffer;
}
