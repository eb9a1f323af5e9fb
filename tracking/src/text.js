/** Text that the collector accepts, and ids it can order. */

/**
 * At most `limit` characters of anything, as well-formed Unicode: half an emoji would make the whole event unreadable.
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string}
 */
export function cut(value, limit = 4096) {
  const text = /** @type {any} */ (String(value ?? '').slice(0, limit));
  return text.toWellFormed?.() ?? text;
}

/** A UUIDv7: 48 bits of time in ms, then random; unlike `crypto.randomUUID` it needs no secure context. */
export function uuid7() {
  const time = Date.now().toString(16).padStart(12, '0');
  const random = () => (crypto.getRandomValues(new Uint8Array(1))[0] % 16).toString(16);
  return time.slice(0, 8) + '-' + time.slice(8) + '-7xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, random);
}

/** Run `work`; whatever goes wrong stays ours. @template T @param {() => T} work @returns {T | undefined} */
export function quietly(work) {
  try {
    return work();
  } catch {}
}

export const now = () => Date.now();
/** The time, RFC 3339 with ms. */
export const clock = () => new Date().toISOString();
