/**
 * Every bound of manifests: the numbers of `distribute_io.manifest.limits`, which says why. `spec/vectors/manifest/limits.json`
 * holds both languages to them.
 */

export const MANIFEST_LIMITS = {
  FORMAT: 1,
  PAYLOAD_TYPE: "application/vnd.distribute-io.manifest+json",
  SIZE_BYTES_MAX: 1_099_511_627_776,
  SEGMENTS_MAX: 262_144,
  SEGMENT_LIST_BYTES_MAX: 8_388_608,
  PAYLOAD_BYTES_MAX: 16_384,
  DOCUMENT_BYTES_MAX: 65_536,
  DOCUMENT_WITH_SEGMENTS_BYTES_MAX: 11_250_348,
  DEPTH_MAX: 16,
  SIGNATURES_MAX: 8,
  PINS_MAX: 16,
  MIRRORS_MAX: 256,
  NAME_BYTES_MAX: 1_024,
  NAME_PART_BYTES_MAX: 255,
  MEDIA_TYPE_BYTES_MAX: 127,
  URL_BYTES_MAX: 2_048,
  CLOCK_SKEW_S: 86_400,
  INTEGER_MAX: 9_007_199_254_740_991,
} as const;
