// The check of a code at a door (docs/spec/code.md).

import { decodeBase45, TransportError } from "./base45.mjs";
import { isSigned, kidOf } from "./ed25519.mjs";
import { endOf, statusAt } from "./statuslist.mjs";

const MAX_TEXT_CHARS = 354;
const DAY_S = 24 * 3600;
const MIN_TIME = 2 ** 16;
const MAX_AGE_S = 45;
const MAX_AHEAD_S = 30;
const GREEN = 0;

const KINDS = {
  admit: ["admitted"],
  "do-not-admit": [
    "key-withdrawn", "key-purpose", "out-of-scope", "bad-signature", "withdrawn",
    "not-admitted",
  ],
  "check-again": [
    "clock", "stale-trust", "unknown-key", "issuer-ended", "key-not-in-force", "not-yet", "expired",
    "presentation-old", "presentation-ahead", "no-status", "stale-status", "status-unknown",
    "superseded", "repeated",
  ],
  "not-a-code": ["malformed", "wrong-type"],
};

const POLICIES = {
  venue: { admits: [GREEN], showsColour: false, denies: true, refusesRepeats: false },
  checkpoint: { admits: [GREEN], showsColour: true, denies: true, refusesRepeats: true },
  hospital: { admits: [0, 1, 2], showsColour: true, denies: false, refusesRepeats: false },
};

const OTHER_TYPES = ["application/statuslist+cwt", "application/celadon-"];

class Refused extends Error {
  constructor(answer) {
    super(answer.reason);
    this.answer = answer;
  }
}

function verdict(reason, shown) {
  return { reason, colour: null, successor: null, ...shown };
}

function refuse(reason, shown = {}) {
  throw new Refused(verdict(reason, shown));
}

/** One door: it remembers what it admitted, for policies that refuse repeats. */
export class Door {
  constructor(world, policy) {
    this.world = world;
    this.policy = POLICIES[policy];
    this.admitted = new Map();
  }

  check(text, now) {
    const answer = this.answer(text, now);
    const [kind] = Object.entries(KINDS).find(([, reasons]) => reasons.includes(answer.reason));
    const spared = kind === "do-not-admit" && !this.policy.denies;
    return { kind: spared ? "check-again" : kind, ...answer };
  }

  answer(text, now) {
    try {
      const code = verified(text, this.world, now);
      const shown = this.policy.showsColour ? { colour: code.colour } : {};
      if (!this.policy.admits.includes(code.colour)) refuse("not-admitted", shown);
      if (this.policy.refusesRepeats && code.holderKey !== null) this.remember(code, now);
      return verdict("admitted", shown);
    } catch (error) {
      if (error instanceof Refused) return error.answer;
      throw error;
    }
  }

  remember(code, now) {
    const position = code.cti.toString("hex");
    const before = this.admitted.get(position);
    if (before !== undefined && now - before <= MAX_AGE_S + MAX_AHEAD_S) refuse("repeated");
    this.admitted.set(position, now);
  }
}

function verified(text, world, now) {
  const { presentation, code } = shown(bytesOf(text)); // steps 1 and 2
  if (now < world.newest) refuse("clock");
  const confirmed = Math.max(world.trust.issuedAt, world.confirmed ?? 0);
  if (now - confirmed > DAY_S || now >= world.trust.notAfter) refuse("stale-trust");
  const { issuer, key } = signerOf(code, world.trust);
  if (key.purpose !== "code") refuse("key-purpose");
  requireInForce(issuer, key, now);
  if (code.list < issuer.firstList || code.list > issuer.lastList) refuse("out-of-scope");
  if (!isSigned(code.signed, code.signature, key.publicKey)) refuse("bad-signature");
  requireTimely(code, now);
  if (presentation !== null) requirePresented(presentation, code, now);
  requireStatus(code, world, now);
  return code;
}

function bytesOf(text) {
  if (text.length > MAX_TEXT_CHARS || !text.startsWith("CE1:")) refuse("malformed");
  try {
    return decodeBase45(text.slice(4));
  } catch (error) {
    if (error instanceof TransportError) refuse("malformed");
    throw error;
  }
}

function shown(data) {
  const presentation = data.length === 233 ? parsePresentation(data) : null;
  const code = parseCode(presentation?.code ?? data);
  if (code === null) refuse(isOtherThing(data) ? "wrong-type" : "malformed");
  if ((code.holderKey === null) !== (presentation === null)) refuse("malformed");
  return { presentation, code };
}

function isOtherThing(data) {
  const start = data.subarray(0, 64);
  const isTagged = data[0] === 0xd2 || data[0] === 0xd8;
  const isTyped = OTHER_TYPES.some((typ) => start.includes(typ));
  return (isTagged && isTyped) || data.includes("\n\n\u2014 ");
}

// --- the templates ---------------------------------------------------------------------------

/** The gaps of a template, or null: numbers are lengths, texts are bytes that must stand there. */
function gaps(data, template) {
  const found = [];
  let at = 0;
  for (const part of template) {
    const length = typeof part === "number" ? part : part.length / 2;
    const piece = data.subarray(at, at + length);
    if (typeof part === "number") found.push(piece);
    else if (piece.toString("hex") !== part) return null;
    at += length;
  }
  return at === data.length ? found : null;
}

const HEAD = "d28449a201270444";
const COLOUR = "3a00010000";
const PAPER = [HEAD, 4, "a054a3041a", 4, "0745", 5, COLOUR, 1, "5840", 64];
const PHONE = [
  HEAD, 4, "a0583fa4041a", 4, "0745", 5, "08a101a3010120062158", "20", 32, COLOUR, 1, "5840", 64,
];
const PRESENTATION = [HEAD, 4, "a05898821a", 4, "5890", 144, "5840", 64];

function signedBytes(data) {
  const context = Buffer.from("846a5369676e617475726531", "hex"); // ["Signature1", ...
  const noExternalData = Buffer.from([0x40]);
  return Buffer.concat([context, data.subarray(2, 12), noExternalData, data.subarray(13, -66)]);
}

function parseCode(data) {
  const paper = gaps(data, PAPER);
  const found =
    paper === null ? gaps(data, PHONE) : [...paper.slice(0, 3), null, ...paper.slice(3)];
  if (found === null) return null;
  const [kid, expBytes, cti, holderKey, colourByte, signature] = found;
  const [exp, colour] = [expBytes.readUInt32BE(), colourByte[0]];
  if (exp < MIN_TIME || exp % 3600 !== 0 || colour > 2) return null;
  const position = cti.readUIntBE(0, 5);
  return {
    kid, exp, cti, holderKey, colour, signature,
    begin: exp - (holderKey === null ? 7 * DAY_S : DAY_S),
    list: Math.floor(position / 2 ** 20),
    index: position % 2 ** 20,
    signed: signedBytes(data),
  };
}

function parsePresentation(data) {
  const found = gaps(data, PRESENTATION);
  if (found === null || found[1].readUInt32BE() < MIN_TIME) return null;
  const [kid, time, code, signature] = found;
  return { kid, time: time.readUInt32BE(), code, signature, signed: signedBytes(data) };
}

// --- steps 5 to 10 ---------------------------------------------------------------------------

function signerOf(code, trust) {
  const found = trust.byKid.get(code.kid.toString("hex"));
  const isDead = trust.withdrawn.has(code.kid.toString("hex"));
  if (found === undefined) refuse(isDead ? "key-withdrawn" : "unknown-key");
  return found;
}

function requireInForce(issuer, key, now) {
  if (now >= key.notBefore && now < key.notAfter) return;
  const isOver = issuer.ending !== null && now >= issuer.ending.graceUntil;
  if (isOver) refuse("issuer-ended", { successor: issuer.ending.successor });
  refuse("key-not-in-force");
}

function requireTimely(code, at) {
  if (at < code.begin) refuse("not-yet");
  if (at >= code.exp) refuse("expired");
}

function requirePresented(presentation, code, now) {
  const named = presentation.kid.equals(kidOf(code.holderKey));
  const signed = isSigned(presentation.signed, presentation.signature, code.holderKey);
  if (!named || !signed) refuse("bad-signature");
  if (now - presentation.time > MAX_AGE_S) refuse("presentation-old");
  if (presentation.time - now > MAX_AHEAD_S) refuse("presentation-ahead");
  requireTimely(code, presentation.time);
}

function requireStatus(code, world, now) {
  const list = world.statuses.get(code.list);
  if (list === undefined) refuse("no-status");
  if (now >= endOf(list)) refuse("stale-status");
  const reason = { 0: null, 1: "withdrawn", 2: "superseded" }[statusAt(list, code.index)];
  if (reason !== null) refuse(reason ?? "status-unknown");
}
