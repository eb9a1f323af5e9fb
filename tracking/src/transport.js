/** Sends what the queue holds: at once, again after a failure worth it, and the rest when the page goes. */
import { collector } from './config.js';
import { introduced } from './introduction.js';
import { post } from './post.js';
import { entries, remove, save } from './queue.js';
import { clock, json, now, on, quietly, random } from './text.js';

const MAX_EVENTS = 10;

let failures = 0;
let notBefore = 0;
let isSending = false;
/** @type {ReturnType<typeof setTimeout>} */
let timer;

/** Try again some time after so many ms: not all tabs at the same moment. @param {number} ms */
function later(ms) {
  timer = setTimeout(flush, ms + random() * 999);
}

export function startTransport() {
  // The page may go: a second request takes what waits for the first. Phones may fire the second alone.
  on('pagehide visibilitychange', () => {
    isSending = false;
    flush(true);
  });
  on('online', () => later((notBefore = 0)));
  later(500); // what earlier pages left behind
}

/**
 * Send everything that is due, one request after the other. Never rejects.
 *
 * An event stays in the queue until it is answered. The answer to a request that the page did not survive is never known:
 * the next page sends again, and behind the collector the repetition is dropped by event_id.
 * @param {boolean} [isLeaving]
 */
export async function flush(isLeaving) {
  if (isSending) return;
  isSending = true;
  clearTimeout(timer);
  if (!isLeaving) await introduced; // a page that goes has no more turns to wait for
  while (notBefore <= now()) {
    const events = entries()
      .filter(([busyUntil]) => busyUntil < now() - random() * 9000) // not all pages take over what one left at the same moment
      .slice(0, MAX_EVENTS)
      .map(([, event]) => event);
    if (!events[0]) break;
    const busyUntil = now() + 15000; // longer than a request may take
    events.forEach((event) => save(event, busyUntil));
    const batch = { sent_at: clock(), events };
    let retryAfter = 0;
    try {
      const { status, headers } = await post('', batch);
      retryAfter = status === 429 || status > 499 ? +/** @type {any} */ (headers.get('Retry-After')) : -1; // -1: accepted, or refused for good
    } catch {
      // Offline, blocked by an extension, or too slow; or a page that has no fetch to go with.
      if (isLeaving) quietly(() => navigator.sendBeacon(collector, json(batch)));
    }
    if (retryAfter < 0) {
      failures = 0;
      events.forEach(remove);
    } else {
      // Up to 1, 2, 4 … 256 s, and from the start again.
      const pause = 1000 * (retryAfter || 2 ** (failures++ % 9) * random());
      notBefore = now() + pause;
      // Not yet: a request fails when its page goes, too, and may have arrived. Then the next page has 15 s to wait.
      setTimeout(() => {
        for (const [until, event] of entries()) if (until === busyUntil) save(event);
      }, pause);
    }
  }
  isSending = false;
  if (entries()[0]) later(500); // to look whether it is time: for ours, or for what another page left
}
