/** A request to the collector. */
import { collector } from './config.js';
import { toJson } from './text.js';

const TIMEOUT_MS = 9000;
/** At most 60 KB in UTF-8: browsers refuse a keepalive body above 64 KiB. */
const MAX_KEEPALIVE_CHARACTERS = 20000;

/**
 * Post JSON as text/plain, which needs no preflight. Throws, or rejects, where `fetch` is missing or fails.
 * @param {string} path below the collector's address
 * @param {object} message
 */
export function post(path, message) {
  const body = toJson(message);
  return fetch(collector + path, {
    method: 'POST',
    body,
    keepalive: body.length < MAX_KEEPALIVE_CHARACTERS,
    signal: AbortSignal.timeout?.(TIMEOUT_MS),
  });
}
