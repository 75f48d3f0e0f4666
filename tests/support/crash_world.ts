/**
 * Stores that lose power: what a database leaves behind when its process ends
 * at once, with or without what the disk had not been told to keep.
 *
 * A life is one writer's time between two crashes. After a crash its store is
 * out of reach, so that the writer that is still running in this process cannot
 * touch what the next life finds.
 *
 * @module
 */
import { FileStore, type ObjectStore } from "../../mod.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { type Vfs, VfsError } from "../../lib/vfs/vfs.ts";
import { JournalStore } from "./journal_store.ts";
import type { Random } from "./random.ts";

/** A place for databases that can crash. */
export interface CrashWorld {
  /** The present life's store. */
  readonly store: ObjectStore;
  /** The same for a WAL of its own. */
  readonly walStore: ObjectStore;
  /** Ends the life, and begins the next with what is left. */
  crash(): Promise<void>;
}

/** An object store that answers for every put it acknowledged. */
export class StoreWorld implements CrashWorld {
  store: ObjectStore = new JournalStore();
  walStore: ObjectStore = new JournalStore();

  async crash(): Promise<void> {
    const next: JournalStore[] = [];
    const lives = [this.store, this.walStore] as JournalStore[];
    // Both at one moment: no change may fall between.
    const moments = lives.map((store) => store.moment());
    for (const moment of moments) {
      const store = new JournalStore();
      for (const [name, bytes] of moment) await store.put(name, bytes);
      next.push(store);
    }
    [this.store, this.walStore] = next as [JournalStore, JournalStore];
  }
}

/** A disk that forgets what was not synced. */
export class DiskWorld implements CrashWorld {
  readonly #disk = new MemoryVfs();
  readonly #random: Random;
  #powered = { on: true };
  store: ObjectStore;
  walStore: ObjectStore;

  /**
   * Constructs a new {@linkcode DiskWorld}.
   *
   * @param random Decides what survives of what was not synced.
   */
  constructor(random: Random) {
    this.#random = random;
    [this.store, this.walStore] = this.#openStores();
  }

  crash(): Promise<void> {
    this.#powered.on = false;
    this.#powered = { on: true };
    const survival = this.#random.pick([0, 0.5, 1]);
    this.#disk.crash(() => this.#random.chance(survival));
    [this.store, this.walStore] = this.#openStores();
    return Promise.resolve();
  }

  #openStores(): [ObjectStore, ObjectStore] {
    const powered = this.#powered;
    const vfs = new Proxy(this.#disk, {
      get(disk, name) {
        const member = Reflect.get(disk, name, disk) as unknown;
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (!powered.on) throw new VfsError("EIO", String(name), "no power");
          return Reflect.apply(member, disk, args);
        };
      },
    }) as Vfs;
    return [new FileStore("/store", { vfs }), new FileStore("/wal", { vfs })];
  }
}
