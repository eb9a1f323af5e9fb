/** Text that the collector accepts, and ids it can order. */

/**
 * At most `limit` characters of anything, as well-formed Unicode: half an emoji would make the whole event unreadable.
 * @param {unknown} value
 * @param {number} limit
 */
export function cut(value, limit) {
  const text = value == null ? '' : String(value).slice(0, limit);
  return 'toWellFormed' in text ? /** @type {any} */ (text).toWellFormed() : text;
}

/** A UUIDv7: 48 bits of time in ms, then random; it needs no secure context. */
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 112;
  bytes[8] = (bytes[8] & 63) | 128;
  let hex = '';
  for (const byte of bytes.subarray(6)) hex += (byte + 256).toString(16).slice(1);
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-${hex.slice(0, 4)}-${hex.slice(4, 8)}-${hex.slice(8)}`;
}

/** @param {unknown} value */
export function isUuid(value) {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(String(value));
}

/** Run `work`; whatever goes wrong stays ours. @template T @param {() => T} work @returns {T | undefined} */
export function quietly(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** @param {number} ms */
export const iso = (ms) => new Date(ms).toISOString();
