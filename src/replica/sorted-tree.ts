import sortedBtree from 'sorted-btree';

/**
 * A B+ tree whose `clone` is O(1) and copies on write. (`sorted-btree` is CommonJS: what ES modules import as its
 * default is `module.exports`, and the class is the `default` of that.)
 */
export const SortedTree = sortedBtree.default;
/** An instance of it. */
export type SortedTree<K, V> = InstanceType<typeof SortedTree<K, V>>;
