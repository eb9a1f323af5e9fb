/**
 * Events that the collector has not acknowledged, one localStorage entry each, so that tabs never overwrite each other's.
 *
 * An entry says until when somebody is busy sending it; afterwards any page of the site may. Without localStorage the
 * events live as long as the page.
 */
import { local } from './storage.js';
import { json, parse, quietly } from './text.js';

/** @typedef {{event_id: string, name: string, tracking_id: string} & Record<string, any>} Event */

const KEY = '_elq.';
/** localStorage, and what it would not take, as it is full or blocked. */
const boxes = [local, {}];

/** Whether an event is worth more than the rest when room runs out: chats, conversions, consent, forms sent, identities. @param {Event} event */
export const isLead = ({ name }) => /^(form_submit|identify|con|chat_)/.test(name);

/** Every event of this site in this browser, oldest first, with the time until which it is taken. @returns {[busyUntil: number, event: Event][]} */
export const entries = () =>
  boxes
    .flatMap((box) =>
      Object.keys(box)
        .sort()
        .map((key) => key.startsWith(KEY) && quietly(() => parse(box[key]))),
    )
    .filter((entry) => entry?.[1]);

/** @param {Event} event @param {number} [busyUntil] */
export function save(event, busyUntil = 0) {
  boxes.some((box) => quietly(() => (box[KEY + event.event_id] = json([busyUntil, event]))));
}

/** @param {Event} event */
export const remove = ({ event_id }) => boxes.forEach((box) => delete box[KEY + event_id]);

/**
 * Keep an event until it is acknowledged. Past 100 events or 256 KB (browsers keep two bytes a character) the oldest go,
 * leads last.
 * @param {Event} event
 */
export function push(event) {
  save(event);
  let chars = 0;
  entries()
    .reverse()
    .sort(([, a], [, b]) => /** @type {any} */ (isLead(b)) - /** @type {any} */ (isLead(a)))
    .forEach(([, event], i) => ((chars += json(event).length) > 130000 || i > 99) && remove(event));
}
