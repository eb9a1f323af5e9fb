/** What the visitor said of themself in this tab, for the chat widget on this page and the next. */
import { cut, json, parse, quietly } from './text.js';

/** @typedef {{email?: string, phone?: string, name?: string, external_id?: string}} User */

/** @type {User} */
export let user = quietly(() => parse(sessionStorage._elu)) || {};

/** Remember what was said, and return it as an event carries it: text, and nothing empty. @param {User} said */
export function know(said) {
  /** @type {User} */
  const clean = {};
  for (const key of /** @type {(keyof User)[]} */ ('email phone name external_id'.split(' '))) {
    if (said[key]) user[key] = clean[key] = cut(said[key]);
  }
  quietly(() => (sessionStorage._elu = json(user)));
  return clean;
}

export function forgetUser() {
  user = {};
  know(user);
}
