// Answers the conformance suite (tests/vectors/README.md): node conformance.mjs < FOLDERS
//
// A second implementation of what a verifier does, after docs/spec, on Node's standard library
// alone. It is here to find where the pages are silent or say other things than the code.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { decodeBase45, TransportError } from "./base45.mjs";
import { CborError, decodeCbor } from "./cbor.mjs";
import { Door } from "./code.mjs";
import { LogError, parseVkey, verifyCheckpoint, verifyProof } from "./log.mjs";
import { updateStatusList } from "./statusdelta.mjs";
import { acceptStatusList, recallStatusList, statusAt, StatusListError } from "./statuslist.mjs";
import {
  acceptTrustList,
  decodeRoots,
  recallTrustList,
  TrustListError,
  verifyTrustList,
} from "./trustlist.mjs";

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

const AREAS = {
  code({ folder, given }) {
    const door = new Door(worldOf(folder, given), given.policy);
    for (const name of given.before ?? []) door.check(textOf(join(folder, name)), given.now);
    return door.check(textOf(join(folder, "code.txt")), given.now);
  },

  "status-list"({ folder, given }) {
    const { trust } = worldOf(folder, given);
    const data = optional(join(folder, "held.cwt"));
    const held = data === null ? null : recallStatusList(data, trust);
    return accepting(StatusListError, "list.cwt", held === null ? null : "held.cwt", () =>
      acceptStatusList(held, readFileSync(join(folder, "list.cwt")), trust, given.now),
    );
  },

  "status-delta"({ folder, given }) {
    const { trust } = worldOf(folder, given);
    const files = {
      snapshotData: readFileSync(join(folder, "region.snapshot")),
      deltaData: readFileSync(join(folder, "region.delta")),
      listData: readFileSync(join(folder, "list.cwt")),
      heldData: optional(join(folder, "held.delta")),
    };
    return answering(StatusListError, () => {
      const list = updateStatusList(files, trust, given.now);
      const indexes = Array.from({ length: list.packed.length * 4 }, (_, index) => index);
      const taken = indexes.filter((index) => statusAt(list, index) > 0);
      const entries = taken.map((index) => [index, statusAt(list, index)]);
      return { result: "accepted", taken_back: Object.fromEntries(entries) };
    });
  },

  "trust-list"({ folder, given }) {
    const roots = decodeRoots(readFileSync(join(folder, "roots.cbor")));
    const data = optional(join(folder, "held.cbor"));
    const held = data === null ? null : recallTrustList(data);
    return accepting(TrustListError, "list.cbor", held === null ? null : "held.cbor", () =>
      acceptTrustList(held, readFileSync(join(folder, "list.cbor")), roots, given.now),
    );
  },

  checkpoint({ folder, given }) {
    const vkey = parseVkey(readFileSync(join(folder, "vkey"), "utf-8"));
    return answering(LogError, () => {
      verifyCheckpoint(readFileSync(join(folder, "checkpoint")), vkey, given.timestamp);
      return { result: "accepted" };
    });
  },

  "log-proof"({ folder }) {
    const vkey = parseVkey(readFileSync(join(folder, "vkey"), "utf-8"));
    const entry = readFileSync(join(folder, "entry"));
    return answering(LogError, () => {
      verifyProof(readFileSync(join(folder, "proof.tlog-proof")), entry, vkey);
      return { result: "accepted" };
    });
  },

  base45({ folder }) {
    return answering(TransportError, () => {
      const bytes = decodeBase45(textOf(join(folder, "text.txt")));
      return { result: "accepted", hex: bytes.toString("hex") };
    });
  },

  cbor({ folder, given }) {
    return answering(CborError, () => {
      decodeCbor(readFileSync(join(folder, "item.cbor")), { ordered: given.ordered });
      return { result: "accepted" };
    });
  },
};

function accepting(kind, offered, stays, accept) {
  const accepted = () => (accept(), { result: "accepted", holds: offered });
  return { holds: stays, ...answering(kind, accepted) };
}

/** An error of this kind is an answer; any other is a bug, and ends the process. */
function answering(kind, answer) {
  try {
    return answer();
  } catch (error) {
    if (error instanceof kind) return { result: error.result };
    throw error;
  }
}

const worlds = new Map();

/** What this verifier holds: read once, however many cases begin with it. */
function worldOf(folder, given) {
  const path = resolve(folder, given.world);
  if (!worlds.has(path)) worlds.set(path, readWorld(path));
  return worlds.get(path);
}

function readWorld(path) {
  const roots = decodeRoots(readFileSync(join(path, "roots.cbor")));
  const trust = verifyTrustList(readFileSync(join(path, "trust-list.cbor")), roots);
  const paths = readdirSync(join(path, "status")).map((name) => join(path, "status", name));
  const lists = paths.map((each) => recallStatusList(readFileSync(each), trust));
  const { confirmed } = JSON.parse(readFileSync(join(path, "world.json"), "utf-8"));
  return {
    trust,
    confirmed,
    statuses: new Map(lists.map((list) => [list.number, list])),
    newest: Math.max(trust.issuedAt, confirmed ?? 0, ...lists.map(({ iat }) => iat)),
  };
}

/** What is not UTF-8 becomes a character that no code has. */
function textOf(path) {
  return UTF8.decode(readFileSync(path));
}

function optional(path) {
  return existsSync(path) ? readFileSync(path) : null;
}

for await (const folder of createInterface({ input: process.stdin })) {
  const given = JSON.parse(readFileSync(join(folder, "case.json"), "utf-8"));
  const area = AREAS[given.area];
  console.log(JSON.stringify(area === undefined ? { result: "skipped" } : area({ folder, given })));
}
