/** The address that the terminal shows has the token behind its `#`, which browsers keep to themselves. */
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, '', '/sign-in');
  document.querySelector('[name=token]').value = token;
  document.querySelector('form').requestSubmit();
}
