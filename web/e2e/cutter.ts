/** Stands between a browser and the server and cuts its WebSockets, as a network does. */

import { createServer, type Server, type Socket, connect as tcp } from 'node:net';

/** Requests whose connections are cut. */
const SOCKETS = /^GET \/(ws|live\/)/;

export class Cutter {
  private readonly open = new Set<readonly [Socket, Socket]>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(target: string): Promise<Cutter> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const own = typeof address === 'object' && address !== null ? address.port : 0;
    const cutter = new Cutter(server, `http://127.0.0.1:${own}/`);
    server.on('connection', (browser) => cutter.pass(browser, tcp(Number(port), hostname)));
    return cutter;
  }

  /** Cuts every WebSocket that is open, without a farewell; how many there were. */
  cut(): number {
    const found = this.open.size;
    for (const ends of this.open) for (const end of ends) end.resetAndDestroy();
    return found;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(browser: Socket, server: Socket): void {
    const ends = [browser, server] as const;
    browser.on('data', (data) => {
      // A connection that was kept may carry other requests before.
      if (SOCKETS.test(data.toString('latin1'))) this.open.add(ends);
    });
    for (const end of ends) {
      end.on('error', () => {});
      end.on('close', () => {
        this.open.delete(ends);
        for (const other of ends) other.destroy();
      });
    }
    browser.pipe(server);
    server.pipe(browser);
  }
}
