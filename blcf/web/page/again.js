/* A link in another page leads here without the cookie, which is SameSite=Strict. What this page
   asks for itself has it: who gets this script is known, and looks again. Not for ever, where it is
   not. */
const last = Number(sessionStorage.getItem("again") || 0);
if (Date.now() - last > 5000) {
  sessionStorage.setItem("again", String(Date.now()));
  location.reload();
}
