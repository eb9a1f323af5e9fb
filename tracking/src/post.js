/** A request to the collector. */
import { collector } from './config.js';

/** @param {string} path below the collector's address @param {string} body goes as text/plain: a simple request, no preflight */
export const post = (path, body) =>
  fetch(collector + path, {
    method: 'POST',
    body,
    keepalive: body.length < 20000, // at most 60 KB: browsers refuse a keepalive body over 64 KiB
    signal: AbortSignal.timeout?.(9000),
  });
