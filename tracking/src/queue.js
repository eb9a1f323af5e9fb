/**
 * Events that the collector has not acknowledged: one localStorage entry each, so that two tabs never overwrite each other.
 *
 * An entry says until when a page is busy sending it; afterwards any page of the site may. Without localStorage events live as
 * long as the page.
 */
import { quietly } from './quietly.js';
import { local } from './storage.js';
import { toJson } from './text.js';

/** @typedef {{event_id: string, name: string, tracking_id: string} & Record<string, any>} Event */
/** @typedef {[busyUntil: number, event: Event]} Entry */

const KEY = '_elq.';
const MAX_EVENTS = 100;
const MAX_CHARACTERS = 130000; // 256 KB: browsers keep two bytes a character
/** Events that are dropped last when the queue is full. */
const LEADS = ['form_submit', 'identify', 'chat_start', 'conversion', 'consent'];

/** @type {Record<string, string>[]} localStorage, and this page's memory for what it does not take */
const stores = [local, {}];

/** @param {Record<string, string>} store @returns {Entry[]} oldest first: the ids sort by time */
const entriesOf = (store) =>
  Object.keys(store)
    .filter((key) => key.startsWith(KEY))
    .sort()
    .map((key) => quietly(() => JSON.parse(store[key])))
    .filter((entry) => entry?.[1]);

/** Every event of this site in this browser, oldest first. */
export const entries = () => stores.flatMap(entriesOf);

/** @param {Event} event @param {number} [busyUntil] ms */
export function save(event, busyUntil = 0) {
  const text = toJson([busyUntil, event]);
  for (const store of stores) {
    if (quietly(() => (store[KEY + event.event_id] = text))) return;
  }
}

/** @param {Event} event */
export function remove({ event_id }) {
  for (const store of stores) delete store[KEY + event_id];
}

/** Keep an event until it is acknowledged. When the queue is full the oldest events go, leads last. @param {Event} event */
export function push(event) {
  save(event);
  const isLead = (/** @type {Entry} */ [, { name }]) => +LEADS.includes(name);
  let characters = 0;
  entries()
    .reverse()
    .sort((a, b) => isLead(b) - isLead(a))
    .forEach(([, kept], i) => {
      characters += toJson(kept).length;
      if (i >= MAX_EVENTS || characters > MAX_CHARACTERS) remove(kept);
    });
}
