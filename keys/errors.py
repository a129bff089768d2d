"""What can be wrong with bytes, keys and lists. Messages carry sizes, kids and reasons only."""


class KeysError(Exception):
    """Base of every error of this package."""


class CborError(KeysError):
    """Bytes are not the one deterministic CBOR encoding of an allowed value."""


class Sign1Error(KeysError):
    """Bytes are not a COSE_Sign1 of our profile."""


class SignatureError(KeysError):
    """A signature does not verify under the key."""


class BoxError(KeysError):
    """A sealed box does not open with the key."""


class PublicKeyError(KeysError):
    """32 bytes are not an Ed25519 key that may be trusted."""


class KeyLifecycleError(KeysError):
    """A key may not do what is asked of it."""


class KeyTransitionError(KeyLifecycleError):
    """A key cannot go from its state to the one asked for."""


class KeyStateError(KeyLifecycleError):
    """A key is not in a state in which it may sign."""


class KeyPurposeError(KeyLifecycleError):
    """A key has another purpose."""


class KeyRegionError(KeyLifecycleError):
    """A key belongs to another region."""


class KeyWindowError(KeyLifecycleError):
    """A key is used before or after its time."""


class KeystoreError(KeysError):
    """Something is wrong with a keystore."""


class KeystoreMissingError(KeystoreError):
    """There is no keystore, key or secret of that name."""


class KeystoreExistsError(KeystoreError):
    """There is one of that name already."""


class KeystorePassphraseError(KeystoreError):
    """The passphrase is wrong, or the file that it opens has been changed."""


class KeystoreDamagedError(KeystoreError):
    """A file was truncated, changed or exchanged."""


class KeystoreMemoryError(KeystoreError):
    """This machine has not the memory that the passphrase's Argon2id takes."""


class KeystorePermissionError(KeystoreError):
    """Others on this machine can read or write a file or the folder."""


class TokenError(KeystoreError):
    """A PKCS#11 token does not do what is asked of it."""


class TokenMissingError(TokenError):
    """There is no such module or token, or it was taken away."""


class TokenPinError(TokenError):
    """The PIN is wrong or locked, or one more wrong one would lock it."""


class TokenKeyError(TokenError):
    """A key is not in the token, is not the one recorded, or could leave it."""


class TrustListError(KeysError):
    """Bytes are not a trust list that may be used."""


class TrustListFormatError(TrustListError):
    """Not the one encoding of a trust list or of roots."""


class TrustListTypeError(TrustListError):
    """Something else that is signed, presented as a trust list."""


class TrustListSignerError(TrustListError):
    """A signer is unknown, or signed twice."""


class TrustListSignatureError(TrustListError):
    """The signature of a known signer does not verify."""


class TrustListQuorumError(TrustListError):
    """Fewer signers than the threshold."""


class TrustListKeyError(TrustListError):
    """A listed key is unusable, listed twice, shares its kid, or is withdrawn."""


class TrustListRangeError(TrustListError):
    """A range of status lists is empty, out of bounds, or overlaps another issuer's."""


class TrustListEnvironmentError(TrustListError):
    """A test list for a production verifier, or the other way round."""


class TrustListEpochError(TrustListError):
    """The roots went back, jumped, or changed without a new epoch."""


class TrustListRollbackError(TrustListError):
    """Older than the list held."""


class TrustListEquivocationError(TrustListError):
    """Two different lists of one version: somebody signs lists that contradict each other."""


class TrustListStepError(TrustListError):
    """So far ahead of the list held that nothing could follow it."""


class TrustListWithdrawalError(TrustListError):
    """A withdrawn key is withdrawn no longer."""


class TrustListSuccessorError(TrustListError):
    """An issuer ends in favour of none that could follow it, or its published end changed."""


class TrustListPolicyError(TrustListError):
    """A pinned rule set or risk table is gone, older, or another one of the same version."""


class TrustListClockError(TrustListError):
    """Issued in the future: this machine's clock is wrong, or the signers' was."""


class TrustListExpiredError(TrustListError):
    """Genuine, but past its end: stale, which is not the same as refused."""


class SourceFileError(KeysError):
    """A file that people write or carry (a key's public record, a list's source) is not right."""
