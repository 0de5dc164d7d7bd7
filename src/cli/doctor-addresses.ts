import { defined } from '../base/assert.ts';
import { sameHost, urlEndpoint } from '../protocol/addresses.ts';
import type { Named } from './doctor-cluster.ts';
import type { AddressFinding, Judgement, VainRedirect } from './doctor-judgement.ts';
import {
  addressIn,
  heardOf,
  namesRunning,
  newestRunning,
  requiredNodes,
  standUrls,
  type UrlStanding,
} from './doctor-redirects.ts';
import { isOfCluster, type Seen } from './doctor-seen.ts';

/** What the addresses of the file are worth from here. */
export function judgeAddresses(seen: Seen): AddressJudgement {
  const view = new View(seen);
  const { use, places, urls, required } = view;
  return { use, places, urls, required, ...view.findings() };
}

interface AddressJudgement extends Pick<Judgement, 'use' | 'places' | 'urls' | 'required'> {
  readonly faults: readonly AddressFinding[];
  readonly notes: readonly AddressFinding[];
}

type WrongProcess = Extract<AddressFinding, { kind: 'wrong-process' }>;

class View {
  readonly urls: readonly UrlStanding[];
  readonly required: readonly string[];
  readonly places: readonly boolean[];
  readonly #seen: Seen;
  readonly #wrong: readonly WrongProcess[];

  constructor(seen: Seen) {
    this.#seen = seen;
    this.urls = standUrls(seen);
    this.required = requiredNodes(seen);
    const length = Math.max(...seen.processes.map(({ urls }) => urls.length));
    this.places = Array.from({ length }, (_, place) => this.#isWhole(place));
    this.#wrong = this.urls.flatMap((standing) => this.#wrongProcess(standing));
  }

  get use(): Judgement['use'] {
    const whole = this.places.indexOf(true);
    const safe = this.urls.filter((it) => it.safe && this.required.includes(it.process.name));
    const byChain = [...safe].sort((a, b) => this.#rank(a) - this.#rank(b));
    const best = byChain.find(({ place }) => place === whole) ?? byChain[0];
    if (best === undefined) return null;
    return { url: best.seen.url, place: best.place, whole: best.place === whole };
  }

  findings(): { readonly faults: readonly AddressFinding[]; readonly notes: readonly AddressFinding[] } {
    const [first] = this.urls;
    if (first !== undefined && this.urls.every(({ seen }) => seen.found.kind !== 'catena')) {
      return { faults: [{ kind: 'nothing-answers', why: first.process.urls }], notes: [] };
    }
    const wrong = this.#wrong.filter((it, at) => !this.#isTold(it, at));
    return {
      faults: [...this.#silent(true), ...wrong.filter(({ grave }) => grave), ...this.#vain()],
      notes: [
        ...this.#silent(false),
        ...wrong.filter(({ grave }) => !grave),
        ...this.#otherPlaces(),
        ...this.#peers(),
      ],
    };
  }

  #rank({ process }: UrlStanding): number {
    return this.required.indexOf(process.name);
  }

  #of({ name }: Named): readonly UrlStanding[] {
    return this.urls.filter(({ process }) => process.name === name);
  }

  #answers(process: Named): boolean {
    return this.#of(process).some(({ right }) => right);
  }

  #isWhole(place: number): boolean {
    const running = this.required.filter((name) => this.#answers({ kind: 'node', name }));
    return (
      running.length > 0 &&
      running.every((name) => this.#of({ kind: 'node', name }).some((it) => it.place === place && it.safe))
    );
  }

  /** The place where most of the processes answer. */
  get #bestPlace(): number {
    const counts = this.places.map(
      (_, place) => this.urls.filter((it) => it.right && it.place === place).length,
    );
    return counts.indexOf(Math.max(...counts));
  }

  /** Those that answer nowhere: required ones, or the others. */
  #silent(required: boolean): readonly AddressFinding[] {
    const silent = this.#seen.processes
      .filter(({ kind, name }) => (kind === 'coordinator' || this.required.includes(name)) === required)
      .filter((process) => !this.#answers(process))
      .filter(({ name }) => !this.#wrong.some((it) => it.process.name === name));
    return silent.map(({ kind, name, urls }) => {
      const process: Named = { kind, name };
      if (!required) return { kind: 'no-part', process };
      const place = this.#bestPlace;
      const why = urls[place] ?? urls[0];
      const others = this.urls.filter((it) => it.place === place && it.process.name !== name);
      const namesKnown = others.some(({ seen }) => seen.found.kind !== 'unknown-name');
      const heard = kind === 'node' ? heardOf(this.#seen, name) : null;
      return {
        kind: 'no-answer',
        process,
        why: defined(why, () => `a URL of ${name}`),
        heard,
        namesKnown,
        runningAt: this.#runningAt(name),
      };
    });
  }

  #wrongProcess({ process, seen, place, right }: UrlStanding) {
    const { found } = seen;
    if (found.kind !== 'catena' || right) return [];
    const theirs = this.urls.find((it) => it.process.name === found.node && it.place === place)?.seen.found;
    const finding = {
      kind: 'wrong-process' as const,
      process: { kind: process.kind, name: process.name },
      url: seen.url,
      found,
      otherCluster: !isOfCluster(found, this.#seen.file),
      exchanged: theirs?.kind === 'catena' && theirs.node === process.name && found.node !== process.name,
      grave: this.#isGrave(process, seen.url),
      runningAt: this.#runningAt(process.name),
    };
    return [finding];
  }

  /** Inside a container, localhost is the container itself, and that is no fault while another place serves. */
  #isGrave(process: Named, url: string): boolean {
    return !isLoopback(url) || !this.#of(process).some(({ safe }) => safe);
  }

  /** An exchange is told once for both. */
  #isTold({ process, found, exchanged }: WrongProcess, at: number): boolean {
    return (
      exchanged &&
      this.#wrong
        .slice(0, at)
        .some((it) => it.exchanged && it.process.name === found.node && it.found.node === process.name)
    );
  }

  /** The URLs that the running cluster has for it and the file has not; `null` for none. */
  #runningAt(name: string): readonly string[] | null {
    const running = newestRunning(this.#seen);
    const urls = running === null ? [] : (addressIn(running.topology, name)?.urls ?? []);
    const others = urls.filter((url) => !addressIn(this.#seen.file, name)?.urls.includes(url));
    return others.length === 0 ? null : others;
  }

  /**
   * Redirects that lead nowhere, from nodes that have no URL without such. Told for the place that works best: to mend that is
   * enough.
   */
  #vain(): readonly VainRedirect[] {
    const stuck = this.required
      .map((name) => this.#of({ kind: 'node', name }))
      .filter((urls) => !urls.some(({ safe }) => safe))
      .flatMap((urls) => urls.filter(({ right }) => right));
    const best = stuck.filter(({ place }) => place === this.#bestPlace);
    const explains = best.some(({ hops }) => hops.some(({ right }) => !right));
    return this.#vainFrom(explains ? best : stuck);
  }

  #vainFrom(standings: readonly UrlStanding[]): readonly VainRedirect[] {
    const vain = new Map<string, VainRedirect>();
    for (const standing of standings) {
      for (const hop of standing.hops) {
        const finding = this.#vainHop(standing, hop);
        if (finding === null) continue;
        const key = `${hop.to} ${hop.url}`;
        vain.set(key, { ...finding, from: [...(vain.get(key)?.from ?? []), ...finding.from] });
      }
    }
    return [...vain.values()];
  }

  /** `null` when it leads to where it should, or the reason why not is told otherwise. */
  #vainHop({ seen, place }: UrlStanding, hop: UrlStanding['hops'][number]): VainRedirect | null {
    const to: readonly UrlStanding[] = this.urls.filter(({ process }) => process.name === hop.to);
    const toldOfIt = to.length > 0 && to.every(({ right }) => !right);
    const told = toldOfIt || hop.target?.found.kind === 'catena';
    if (hop.right || told) return null;
    return {
      kind: 'redirect-in-vain',
      to: hop.to,
      url: hop.url,
      why: hop.target?.found ?? null,
      from: [seen.url],
      lacksPlace: hop.target !== null && !to.some((it) => it.place === place) ? place : null,
      answersAt: to.find(({ right }) => right)?.seen.url ?? null,
    };
  }

  #otherPlaces(): readonly AddressFinding[] {
    if (!this.places.includes(true)) return [];
    const running = namesRunning(this.#seen);
    return this.places.flatMap((whole, place) => {
      const there = this.urls.filter((it) => it.place === place && running.has(it.process.name));
      const lacking = there.filter(({ right }) => !right).map(({ seen }) => seen);
      const partly = there.filter((it) => it.right && !it.safe && it.process.kind === 'node');
      if (whole || lacking.length + partly.length === 0) return [];
      return [{ kind: 'other-place' as const, place, lacking, partly }];
    });
  }

  #peers(): readonly AddressFinding[] {
    const shown = this.#seen.processes.filter((process) => this.#answers(process));
    const processes = shown.filter(({ peer }) => peer.found.kind !== 'open');
    return processes.length === 0
      ? []
      : [{ kind: 'peers', processes, all: processes.length === shown.length }];
  }
}

function isLoopback(url: string): boolean {
  return sameHost(urlEndpoint(url)?.host ?? '', 'localhost');
}
