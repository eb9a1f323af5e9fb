/**
 * Page views, in ordinary pages and in single-page applications. The address is looked at once a second: routers change it
 * first and the title after, often twice, and nothing of the page has to be patched to see it.
 */
import { attend, attendSecond } from './attention.js';
import { pages } from './config.js';
import { record } from './events.js';
import { on } from './text.js';

/** The address of the last counted view, and what the visitor saw before it. */
let counted = '';
let previous = document.referrer;

/** What makes an address another page: its path, or a fragment that is a route; queries are filters and tidying. */
/** @param {string} url */
const pageOf = (url) => url.replace(/\?[^#]*/, '').replace(/#(?!!?\/).*/, '');

/** The referrer of the view that is open: the page before it, also within an application. */
export const pageReferrer = () => previous;

/** Count the page that is open now. @param {object} [properties] */
export function countPage(properties) {
  previous = counted || previous;
  counted = location.href;
  attend();
  record('page_view', properties);
}

// Back from the browser's page cache: seen again.
export const watchPages = () => on('pageshow', ({ persisted }) => persisted && (counted = ''));

/** Called once a second. */
export function look() {
  const isOpen = pages !== 'off' && !(/** @type {any} */ (document).prerendering);
  if (isOpen && pageOf(location.href) !== pageOf(counted)) countPage();
  attendSecond();
}
