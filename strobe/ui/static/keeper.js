// Keeps the token with which this app lets a session write, so that a page that is loaded again may go on. It lies in
// the storage of this very address and port: no other port of this machine is given it.

const KEPT = "strobe:token";
let offered = "";

export function mountKeeper({ data, setTriggerValue }) {
  try {
    if (data.token) {
      localStorage.setItem(KEPT, data.token);
      offered = "";
      return;
    }
    const kept = localStorage.getItem(KEPT);
    // One of a process that is gone is refused; it is offered once.
    if (!kept || kept === offered) return;
    offered = kept;
    setTriggerValue("token", kept);
  } catch {
    // A browser that keeps nothing: the address with the token serves as long as its page is open.
  }
}
