/** Text that the collector accepts, ids it can order, and work that fails in silence. */

/**
 * At most `limit` characters of anything, as well-formed Unicode: half an emoji would make the whole event unreadable.
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string}
 */
export function cut(value, limit = 2048) {
  const text = /** @type {any} */ (String(value ?? '').slice(0, limit));
  return text.toWellFormed?.() ?? text;
}

/** A UUIDv7: 48 bits of time in ms, then random; unlike `crypto.randomUUID` it needs no secure context. */
export const uuid7 = () =>
  now().toString(16).padStart(12, '0').replace(/.{8}/, '$&-') +
  '-7xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => Math.floor(random() * 16).toString(16));

/** 0 up to 1: enough for ids, which are no secrets. */
export const random = () => Math.random();

/** Run `work`; whatever goes wrong stays ours. @template T @param {() => T} work @returns {T | undefined} */
export function quietly(work) {
  try {
    return work();
  } catch {}
}

/**
 * Listen on the way down, before the page's own listeners; errors stay ours.
 * @param {string} names separated by spaces
 * @param {(event: any) => void} handle
 */
export const on = (names, handle) =>
  names.split(' ').map((name) => addEventListener(name, (event) => quietly(() => handle(event)), true));

export const now = () => Date.now();
/** The time, RFC 3339 with ms. */
export const clock = () => new Date().toISOString();
/** @param {unknown} value */
export const json = (value) => JSON.stringify(value);
/**
 * @param {string | null} text
 * @param {(name: string, value: any) => any} [revive]
 * @returns {any} `undefined` for what is no JSON
 */
export const parse = (text, revive) => quietly(() => JSON.parse(/** @type {string} */ (text), revive));
