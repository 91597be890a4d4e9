"""Manifests: the signed description of one file, made, written, read and verified (spec/manifest.md).

| module | what it does |
| --- | --- |
| `document` | `read_document` and `verify_envelope`: from bytes of strangers to a `VerifiedManifest` |
| `build` | from digests to a signed document: `new_manifest`, `sign_manifest`, `encode_document`, `renewed` |
| `hashing` | one reading pass over a file: its SHA-256 and those of its segments |
| `segments` | sizes, ranges, `VerifiedSegment`, `SegmentList` |
| `keys` | Ed25519 keys and their files |
| `dsse`, `payload`, `strict_json`, `names`, `mirrors`, `timestamps`, `limits` | the parts of a manifest |
| `metalink` | Metalink 4 (RFC 5854) for other download programs |

Nothing here asks the clock or opens a connection; only `hashing` and `keys` touch files. Import from the modules: this
package imports none of them, because `hashing` must start before the cryptography is loaded.
"""
