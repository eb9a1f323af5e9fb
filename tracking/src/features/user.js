/** What the visitor said about themself in this tab; the chat widget gets it on this page and the next. */
import { record, onEvent } from '../events.js';
import { quietly } from '../quietly.js';
import { toJson, truncate } from '../text.js';

/** @typedef {import('../events.js').User} User */

const KEYS = /** @type {const} */ (['email', 'phone', 'name', 'external_id']);

/** @type {User} */
export let user = {};

/** @param {User} latest */
function setUser(latest) {
  user = latest;
  quietly(() => (sessionStorage._elu = toJson(user)));
}

export const forgetUser = () => setUser({});

/** What a page or a widget gives, as an event carries it: text, and nothing empty. @param {Record<string, unknown>} given */
export function cleanUser(given) {
  /** @type {User} */
  const clean = {};
  for (const key of KEYS) if (given[key]) clean[key] = truncate(given[key]);
  return clean;
}

/** Remember what forms, chats and the page say. */
export function watchUser() {
  user = quietly(() => JSON.parse(sessionStorage._elu)) || user;
  onEvent((_, said) => {
    if (said) setUser({ ...user, ...said });
  });
}

/** `echolead('identify', {email, phone, name, external_id})`: an event, unless all of it was known. @param {User} given */
export function identify(given) {
  const said = cleanUser(given);
  if (toJson({ ...user, ...said }) !== toJson(user)) record('identify', {}, said);
}
