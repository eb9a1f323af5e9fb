/** Page views, in ordinary pages and in single-page applications. */
import { pages } from './config.js';
import { quietly } from './text.js';

/** The address of the last counted view, and what the visitor saw before it. */
let counted = '';
let previous = document.referrer;
/** @type {ReturnType<typeof setTimeout>} */
let timer;
/** @type {(name: string, properties?: object) => void} */
let record;

/** What makes an address another page: its path, or a fragment that is a route; queries are filters and tidying. */
/** @param {string} url */
const pageOf = (url) => url.replace(/\?[^#]*/, '').replace(/#(?!!?\/).*/, '');

/** The referrer of the view that is open: the page before it, also within an application. */
export const pageReferrer = () => previous;

/** Count the page that is open now. @param {object} [properties] */
export function countPage(properties) {
  clearTimeout(timer);
  previous = counted || previous;
  counted = location.href;
  record('page_view', properties);
}

/** @param {typeof record} to */
export function startPages(to) {
  record = to;
  if (pages === 'off') return;
  const start = () => countPage();
  const changed = () => {
    clearTimeout(timer);
    // Routers change the address first and the title after, and often twice.
    timer = setTimeout(() => pageOf(location.href) !== pageOf(counted) && countPage(), 50);
  };
  for (const name of /** @type {('pushState' | 'replaceState')[]} */ (['pushState', 'replaceState'])) {
    const original = history[name];
    history[name] = function (...args) {
      original.apply(this, args); // an error of the page's own call is the page's own
      quietly(changed);
    };
  }
  addEventListener('popstate', changed);
  addEventListener('pageshow', (event) => event.persisted && start()); // back, from the browser's page cache
  if (/** @type {any} */ (document).prerendering) document.addEventListener('prerenderingchange', start, { once: true });
  else start();
}
