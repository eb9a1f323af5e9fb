/** Addresses that lead to the tenant's other domains carry the visitor's token, when it has come in time. */
import { withoutParameters } from '../campaign.js';
import { allowsAnalytics } from '../consent.js';
import { onSubmit } from '../forms.js';
import { readVisit } from '../identity.js';
import { listen, quietly } from '../quietly.js';
import { foreignHosts } from '../foreign-hosts.js';
import { askCollector, linkToken, redeem } from './collector-id.js';

const FRESH_MS = 60000; // of the 120 s that a token is good for
const TOKEN = /\b_el=([^&#]*)/;
const TOKENS = /\b_el=[^&#]*&?/g;

let askedAt = 0;

/**
 * Take the token out of the address before anything reads it. It is redeemed for a new visitor only: anybody can make a
 * link with a token of their own.
 */
export function receiveVisitor() {
  const token = TOKEN.exec(location.search)?.[1];
  if (token === undefined) return;
  history.replaceState(history.state, '', withoutParameters(location.href, TOKENS));
  if (!readVisit().active) redeem(token);
}

/**
 * An address with the token, if it leads to another domain of the tenant.
 * @param {string} address
 * @returns {string | undefined} undefined when it stays as it is
 */
function withToken(address) {
  const url = new URL(address, location.href);
  if (!foreignHosts().includes(url.hostname) || !allowsAnalytics()) return undefined;
  const token = linkToken();
  if (!token) return undefined;
  url.search = `${withoutParameters(url.search, TOKENS)}&_el=${token}`;
  return url.href;
}

/** @param {HTMLAnchorElement | null} link */
function carryByLink(link) {
  const address = link?.href && withToken(link.href);
  if (link && address) link.href = address;
}

/** @param {HTMLFormElement} form */
function carryByForm(form) {
  const address = withToken(form.action);
  if (address) form.action = address;
}

/** While the visitor uses the page a token is kept ready: a link may be followed, a form sent, a window opened. */
function keepTokenReady() {
  if (!allowsAnalytics() || Date.now() - askedAt <= FRESH_MS) return;
  askedAt = Date.now();
  askCollector();
}

export function watchHandover() {
  if (foreignHosts().length === 0) return;
  listen(['pointerover', 'focusin', 'click'], ({ target }) => {
    keepTokenReady();
    carryByLink(target.closest('a'));
  });
  onSubmit(carryByForm);
  // A form that gets loses the query of its action.
  listen(['formdata'], ({ target: { action, method }, formData }) => {
    const token = TOKEN.exec(action)?.[1];
    if (method === 'get' && token) formData.set('_el', token);
  });
  const { open } = window;
  window.open = function (address, ...rest) {
    const carrying = quietly(() => withToken(String(address)));
    return open.call(this, carrying || address, ...rest);
  };
}
