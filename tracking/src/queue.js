/**
 * Events that the collector has not acknowledged, one localStorage entry each, so that tabs never overwrite each other's.
 *
 * An entry names the page that is responsible for it and until when: others take it over only afterwards, and the one
 * that takes over waits a moment to see that it was alone. Without localStorage the events live as long as the page.
 */
import { now, quietly, uuid7 } from './text.js';

/** @typedef {{event_id: string, name: string} & Record<string, any>} Event */
/** @typedef {{isMine: boolean, until: number, event: Event, chars: number}} Entry */

const me = uuid7();
/** @type {Record<string, string>} what localStorage would not take */
const spare = {};
const boxes = () => new Set([quietly(() => localStorage) || spare, spare]);

/** Whether an event is worth more than the rest when room runs out. @param {Event} event */
export const isLead = ({ name }) => /^(chat_start|conversion|form_submit|identify|consent)$/.test(name);

/** Every event of this site in this browser, oldest first. @returns {Entry[]} */
export function entries() {
  /** @type {Entry[]} */
  const found = [];
  for (const box of boxes()) {
    for (const key of Object.keys(box).sort()) {
      if (key.startsWith('_elq.')) {
        quietly(() => {
          const [owner, until, event] = JSON.parse(box[key]);
          found.push({ isMine: owner === me, until, event, chars: box[key].length });
        });
      }
    }
  }
  return found;
}

/** Answer for an event for so long; 15 s is longer than a request may take. @param {Event} event @param {number} [forMs] */
export function claim(event, forMs = 15000) {
  const text = JSON.stringify([me, now() + forMs, event]);
  for (const box of boxes()) if (quietly(() => (box['_elq.' + event.event_id] = text))) return;
}

/** @param {Event} event */
export function remove(event) {
  for (const box of boxes()) delete box['_elq.' + event.event_id];
}

/**
 * Keep an event until it is acknowledged. Past 100 events or 256 KB (browsers keep two bytes a character) the oldest go,
 * leads last.
 * @param {Event} event
 */
export function push(event) {
  claim(event);
  const kept = entries().sort((a, b) => +isLead(a.event) - +isLead(b.event));
  let chars = kept.reduce((sum, entry) => sum + entry.chars, 0);
  for (let over = kept.length - 100; over-- > 0 || chars > 131072; ) {
    const dropped = /** @type {Entry} */ (kept.shift());
    chars -= dropped.chars;
    remove(dropped.event);
  }
}
