/**
 * Page views, also in single-page applications. The address is looked at once a second: routers change it before the title,
 * often twice, and so nothing of the page has to be patched.
 */
import { pages } from './config.js';
import { record } from './events.js';
import { everySecond, listen } from './quietly.js';
import { closeView, isOtherPage, openView } from './view.js';

/** Count the page that is open now. @param {object} [properties] */
export function countPage(properties) {
  openView();
  record('page_view', properties);
}

function countOtherPage() {
  if (isOtherPage()) countPage();
}

/** Count each page, unless the page does so itself. */
export function watchPages() {
  listen(['pageshow'], ({ persisted }) => {
    if (persisted) closeView(); // back from the browser's page cache
  });
  if (pages === 'off') return;
  countOtherPage();
  everySecond(countOtherPage);
}
