// One signed thing (docs/spec/sign1.md).

import { byteString, CborError, decodeCbor, textString } from "./cbor.mjs";
import { isSigned } from "./ed25519.mjs";

export class Sign1Error extends Error {}

const ALG_EDDSA_AND_KID = Buffer.from("01270444", "hex");

/** The protected header of this signer; `typ` is null for codes and presentations. */
export function protectedHeader(kid, typ) {
  const count = Buffer.from([typ === null ? 0xa2 : 0xa3]);
  const type = typ === null ? [] : [Buffer.from([0x10]), textString(typ)];
  return Buffer.concat([count, ALG_EDDSA_AND_KID, kid, ...type]);
}

/** Steps 1 to 3. Nothing is verified yet. */
export function parseSign1(data, typ, maxBytes) {
  if (data[0] !== 0xd2) throw new Sign1Error("not tag 18");
  if (data.length > maxBytes) throw new Sign1Error("too long");
  const [header, payload, signature] = parts(data.subarray(1));
  const kid = header.subarray(5, 9);
  if (kid.length !== 4 || !header.equals(protectedHeader(kid, typ))) throw new Sign1Error("header");
  return { kid, header, payload, signature };
}

function parts(data) {
  let value;
  try {
    value = decodeCbor(data);
  } catch (error) {
    if (error instanceof CborError) throw new Sign1Error(error.message);
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 4) throw new Sign1Error("not four parts");
  const [header, unprotected, payload, signature] = value;
  if (!(unprotected instanceof Map) || unprotected.size > 0) throw new Sign1Error("unprotected");
  const bytes = [header, payload, signature];
  if (!bytes.every(Buffer.isBuffer) || signature.length !== 64) throw new Sign1Error("parts");
  return bytes;
}

/** Step 5. */
export function isSign1By(sign1, publicKey) {
  const structure = Buffer.concat([
    Buffer.from([0x84]),
    textString("Signature1"),
    byteString(sign1.header),
    byteString(Buffer.alloc(0)),
    byteString(sign1.payload),
  ]);
  return isSigned(structure, sign1.signature, publicKey);
}
