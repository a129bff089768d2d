// Deltas and snapshots (docs/spec/status-list.md): what an issuer's lists are by now.

import { createHash } from "node:crypto";

import { CborError, decodeCbor } from "./cbor.mjs";
import {
  formatted,
  hasExactly,
  inflate,
  recallStatusList,
  refuse,
  refuseIf,
  requireCurrent,
  requireInForce,
  signedPayload,
} from "./statuslist.mjs";

const DELTA_TYP = "application/celadon-status-delta+cbor";
const SNAPSHOT_TYP = "application/celadon-status-snapshot+cbor";
const [MAX_SNAPSHOT_BYTES, MAX_DELTA_BYTES, MAX_CHANGES_BYTES] = [262_144, 4_194_304, 8_388_608];
const [DAY_S, MAX_ENTRIES] = [24 * 3600, 2 ** 20];
const [WITHDRAWN, SUPERSEDED] = [1, 2];

/** The list with the delta laid over it, if that is what the snapshot names. */
export function updateStatusList({ snapshotData, deltaData, listData, heldData }, trust, now) {
  const snapshot = verifySnapshot(snapshotData, trust, now);
  if (!sha256(deltaData).equals(snapshot.delta)) refuse("SnapshotError");
  const delta = recallDelta(deltaData, trust);
  requireCurrent(delta.at, delta.exp, now);
  requireInForce(delta.key, now);
  refuseIf(delta.region !== snapshot.region, "Scope");
  refuseIf(heldData !== null && delta.at < recallDelta(heldData, trust).at, "Rollback");
  return layOver(delta, recallStatusList(listData, trust), snapshot);
}

function verifySnapshot(data, trust, now) {
  const { payload, issuer, key } = signedPayload(data, SNAPSHOT_TYP, MAX_SNAPSHOT_BYTES, trust);
  const members = membersOf(payload, [1, 2, 3, 4, 5, 6]);
  const [region, at, exp, version, digests, delta] = members;
  refuseIf(typeof region !== "string" || ![at, exp, version].every(isCount), "Format");
  refuseIf(!(digests instanceof Map) || ![...digests.values(), delta].every(isDigest), "Format");
  requireInForce(key, now);
  requireOwner(issuer, region, digests);
  requireCurrent(at, Math.min(exp, at + DAY_S + 1), now);
  if (version > trust.version) refuse("SnapshotError");
  return { region, digests, delta };
}

/** A delta that was accepted earlier. */
function recallDelta(data, trust) {
  const { payload, issuer, key } = signedPayload(data, DELTA_TYP, MAX_DELTA_BYTES, trust);
  const [region, at, exp, base, stream] = membersOf(payload, [1, 2, 3, 4, 5]);
  refuseIf(typeof region !== "string" || ![at, exp, base].every(isCount), "Format");
  refuseIf(!Buffer.isBuffer(stream) || base > at || at >= exp, "Format");
  requireInForce(key, at);
  const packed = inflate(stream, MAX_CHANGES_BYTES);
  const changes = formatted(CborError, () => decodeCbor(packed));
  refuseIf(!(changes instanceof Map) || ![...changes.values()].every(Buffer.isBuffer), "Format");
  requireOwner(issuer, region, changes);
  return { region, at, exp, base, changes, key };
}

function layOver(delta, list, snapshot) {
  const changes = delta.changes.get(list.number);
  refuseIf(changes === undefined, "Scope");
  refuseIf(list.bits !== 2, "Format");
  if (list.iat < delta.base) refuse("StatusDeltaReachError");
  const packed = Buffer.from(list.packed);
  for (const [index, status] of entriesOf(changes)) {
    if (index >= packed.length * 4) refuse("StatusDeltaPositionError");
    const shift = 2 * (index & 3);
    const before = (packed[index >> 2] >> shift) & 3;
    if (before === WITHDRAWN) continue;
    packed[index >> 2] = (packed[index >> 2] & ~(3 << shift)) | (status << shift);
  }
  const named = snapshot.digests.get(list.number);
  if (named === undefined || !sha256(packed).equals(named)) refuse("SnapshotError");
  return { ...list, packed };
}

/** Gaps in their one form, and what became of each entry. */
function* entriesOf(changes) {
  let next = 0;
  for (let at = 0; at < changes.length; ) {
    let [number, place] = [0, 1];
    let byte;
    do {
      refuseIf(at === changes.length, "Format");
      byte = changes[at++];
      number += (byte & 0x7f) * place;
      place *= 128;
      refuseIf(number >= 2 * MAX_ENTRIES, "Format");
    } while (byte & 0x80);
    refuseIf(byte === 0 && place > 128, "Format");
    const index = next + Math.floor(number / 2);
    next = index + 1;
    yield [index, number % 2 === 1 ? WITHDRAWN : SUPERSEDED];
  }
}

function membersOf(payload, labels) {
  const members = formatted(CborError, () => decodeCbor(payload));
  refuseIf(!hasExactly(members, labels), "Format");
  return labels.map((label) => members.get(label));
}

function requireOwner(issuer, region, lists) {
  refuseIf(![...lists.keys()].every((number) => typeof number === "number"), "Format");
  const numbers = [...lists.keys()];
  const owned = numbers.every((list) => list >= issuer.firstList && list <= issuer.lastList);
  refuseIf(region !== issuer.region || !owned, "Scope");
}

function isCount(value) {
  return typeof value === "number" && value >= 0;
}

function isDigest(value) {
  return Buffer.isBuffer(value) && value.length === 32;
}

function sha256(data) {
  return createHash("sha256").update(data).digest();
}
