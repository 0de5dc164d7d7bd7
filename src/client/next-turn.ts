/** Calls in a later turn of the event loop, behind what is already due: in Node at once, in browsers by a message or a timer. */
export function nextTurn(call: () => void): void {
  if (typeof setImmediate === 'function') setImmediate(call);
  else byMessage(call);
}

/** A message comes at once, where a timer waits for 4 ms when it is nested. */
function byMessage(call: () => void): void {
  const { port1, port2 } = new MessageChannel();
  const heard = (): void => {
    port1.close();
    call();
  };
  port1.addEventListener('message', heard, { once: true });
  port1.start();
  port2.postMessage(null);
}
