/** Text that the collector accepts, ids it can order, and work that fails in silence. */

export const { now } = Date;
/** 0 up to 1: enough for ids, which are no secrets. */
export const { random } = Math;
export const { parse } = JSON;

/**
 * JSON that the collector accepts: half an emoji or U+0000 would make it refuse the whole event. Throws for what is no JSON.
 * @param {unknown} value
 * @returns {string}
 */
export const json = (value) => JSON.stringify(value).replace(/(\\\\)|\\u..../g, '$1');

/**
 * At most `limit` characters of anything.
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string}
 */
export const cut = (value, limit = 2048) => String(value ?? '').slice(0, limit);

/** A UUIDv7: 48 bits of time in ms, then random; unlike `crypto.randomUUID` it needs no secure context. */
export const uuid7 = () =>
  ('0' + now().toString(16)).replace(/.{8}/, '$&-') +
  '-7xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => ((random() * 16) | 0).toString(16));

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

/** The time, RFC 3339 with ms. */
export const clock = () => new Date().toISOString();
