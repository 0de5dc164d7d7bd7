import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What a server counts of its requests, and the numbers of what it serves, in a registry of its own. */
export class HttpMetrics {
  readonly #registry = new Registry();
  readonly #gauges: () => Readonly<Record<string, number>>;
  readonly #requests = new Counter({
    name: 'catena_http_requests_total',
    help: 'Answers given, by route, method and status.',
    labelNames: ['route', 'method', 'status'] as const,
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: 'catena_http_request_duration_seconds',
    help: 'From the arrival of the headers to the end of the answer, by route and status.',
    labelNames: ['route', 'status'] as const,
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #dropped = new Counter({
    name: 'catena_http_connections_dropped_total',
    help: 'Connections closed unanswered, because there were too many.',
    registers: [this.#registry],
  });
  readonly #series = new Map<string, (seconds: number) => void>();

  /** `gauges` by their names without the `catena_` prefix. */
  constructor(gauges: () => Readonly<Record<string, number>>) {
    this.#gauges = gauges;
  }

  answered(route: string, method: string, status: number, seconds: number): void {
    const name = `${route} ${method} ${status}`;
    let series = this.#series.get(name);
    if (series === undefined) {
      series = this.#seriesFor(route, method, String(status));
      this.#series.set(name, series);
    }
    series(seconds);
  }

  /** A connection was closed because there were too many. */
  dropped(): void {
    this.#dropped.inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async text(): Promise<string> {
    for (const [name, value] of Object.entries(this.#gauges())) this.#gauge(`catena_${name}`).set(value);
    return await this.#registry.metrics();
  }

  #seriesFor(route: string, method: string, status: string): (seconds: number) => void {
    const count = this.#requests.labels({ route, method, status });
    const duration = this.#durations.labels({ route, status });
    return (seconds) => {
      count.inc();
      duration.observe(seconds);
    };
  }

  #gauge(name: string): Gauge {
    const known = this.#registry.getSingleMetric(name);
    if (known instanceof Gauge) return known;
    return new Gauge({ name, help: `${name.replaceAll('_', ' ')}, now.`, registers: [this.#registry] });
  }
}
