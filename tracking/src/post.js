/** A request to the collector. */
import { collector } from './config.js';
import { json } from './text.js';

/** @param {string} path below the collector's address @param {object} message goes as text/plain: a simple request, no preflight */
export const post = (path, message, body = json(message)) =>
  fetch(collector + path, {
    method: 'POST',
    body,
    keepalive: body.length < 20000, // at most 60 KB: browsers refuse a keepalive body over 64 KiB
    signal: AbortSignal.timeout?.(9000),
  });
