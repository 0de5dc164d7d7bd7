import { listenOn } from '../../src/platform/listener.ts';

/** Ports that were free on both loopbacks a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const hosts = ['127.0.0.1', '::1'];
  const opened = await Promise.all(
    Array.from({ length: count }, () => listenOn({ hosts, port: 0 }, (socket) => socket.destroy())),
  );
  await Promise.all(opened.map((listening) => listening.close()));
  return opened.map((listening) => listening.port);
}
