/** Text as the collector accepts it. */

/** An escaped backslash, or an escape of `JSON.stringify`: of a control character or of half a surrogate pair. */
const ESCAPES = /(\\\\)|\\u..../g;

/**
 * JSON without U+0000 and halves of surrogate pairs, for which the collector would refuse the whole event.
 * Throws for a value that JSON cannot hold.
 * @param {unknown} value
 * @returns {string}
 */
export const toJson = (value) => JSON.stringify(value).replace(ESCAPES, '$1');

/**
 * Any value as text of at most `limit` characters; empty for null and undefined.
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string}
 */
export const truncate = (value, limit = 2048) => String(value ?? '').slice(0, limit);

/** The time now: RFC 3339, UTC, with ms. */
export const timestamp = () => new Date().toISOString();
