/**
 * One open file of the disk in memory.
 *
 * @module
 */
import { type FileStat, VfsError, type VfsFile } from "./vfs.ts";

/** A file, whatever its names. */
export interface FileNode {
  /** Tells it from a directory. */
  readonly kind: "file";
  /** Tells it from other files. */
  readonly inode: bigint;
  /** What a reader sees, and room behind it. */
  bytes: Uint8Array<ArrayBuffer>;
  /** How many of the bytes are the file's. */
  size: number;
  /** Milliseconds since the epoch. */
  modifiedMs: number;
  /** Names and open descriptors; at none the inode is free. */
  references: number;
  /** What a power loss leaves. */
  synced: Uint8Array;
}

/** What an open file needs of its disk. */
export interface MemoryDisk {
  /** Milliseconds since the epoch, without a fraction. */
  now(): number;
  /** Throws if the disk has crashed since, or the call is to fail. */
  check(operation: Exclude<keyof VfsFile, "close">): void;
  /** Whether it has not crashed since. */
  isAlive(): boolean;
  /** Told once. */
  closed(file: FileNode): void;
}

/** An open file of a `MemoryVfs`. */
export class MemoryFile implements VfsFile {
  readonly #node: FileNode;
  readonly #path: string;
  readonly #disk: MemoryDisk;
  #closed = false;

  /**
   * Constructs a new {@linkcode MemoryFile}.
   *
   * @param node The file.
   * @param path The name it was opened by, for messages.
   * @param disk Its disk.
   */
  constructor(node: FileNode, path: string, disk: MemoryDisk) {
    this.#node = node;
    this.#path = path;
    this.#disk = disk;
  }

  /** {@inheritDoc VfsFile.readAt} */
  readAt(buffer: Uint8Array, position: number): number {
    this.#disk.check("readAt");
    const { bytes, size } = this.#node;
    const end = Math.min(size, position + buffer.length);
    if (end <= position) return 0;
    buffer.set(bytes.subarray(position, end));
    return end - position;
  }

  /** {@inheritDoc VfsFile.append} */
  append(bytes: Uint8Array): void {
    this.#disk.check("append");
    this.#write(bytes, this.#node.size);
  }

  /** {@inheritDoc VfsFile.writeAt} */
  writeAt(bytes: Uint8Array, position: number): void {
    this.#disk.check("writeAt");
    this.#write(bytes, position);
  }

  /** {@inheritDoc VfsFile.truncate} */
  truncate(size: number): void {
    this.#disk.check("truncate");
    this.#reserve(size);
    this.#node.bytes.fill(0, Math.min(size, this.#node.size));
    this.#node.size = size;
    this.#node.modifiedMs = this.#disk.now();
  }

  /** {@inheritDoc VfsFile.stat} */
  stat(): FileStat {
    this.#disk.check("stat");
    return statOf(this.#node);
  }

  /** {@inheritDoc VfsFile.datasync} */
  async datasync(): Promise<void> {
    this.#disk.check("datasync");
    await this.#persist();
  }

  /** {@inheritDoc VfsFile.sync} */
  async sync(): Promise<void> {
    this.#disk.check("sync");
    await this.#persist();
  }

  /** {@inheritDoc VfsFile.close} */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disk.closed(this.#node);
  }

  async #persist(): Promise<void> {
    const picture = this.#node.bytes.slice(0, this.#node.size);
    await Promise.resolve();
    if (!this.#disk.isAlive()) {
      throw new VfsError("EBADF", "fsync", this.#path);
    }
    this.#node.synced = picture;
  }

  #write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    this.#reserve(end);
    this.#node.bytes.set(bytes, position);
    this.#node.size = Math.max(this.#node.size, end);
    this.#node.modifiedMs = this.#disk.now();
  }

  #reserve(size: number): void {
    if (size <= this.#node.bytes.length) return;
    const grown = new Uint8Array(Math.max(size, 2 * this.#node.bytes.length));
    grown.set(this.#node.bytes.subarray(0, this.#node.size));
    this.#node.bytes = grown;
  }
}

/**
 * What the disk says of a file.
 *
 * @param node The file.
 * @returns Its present state.
 */
export function statOf(node: FileNode): FileStat {
  const { kind, inode, size, modifiedMs } = node;
  return { kind, inode, size, modifiedMs };
}
