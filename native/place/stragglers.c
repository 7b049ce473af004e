/* stragglers.c - get_mempolicy and move_pages. */
#include "stragglers.h"

#include <linux/mempolicy.h>

#include "pages.h"
#include "policy.h"

static void *tpi_pages[TPI_STRAGGLER_PAGES];
static int tpi_wanted[TPI_STRAGGLER_PAGES], tpi_found[TPI_STRAGGLER_PAGES];

/* The nodes that the range's policy names; without one, those with processors. */
static bool tpi_policy_nodes(uintptr_t start, struct tpi_nodes *nodes) {
    int mode = MPOL_DEFAULT;
    *nodes = (struct tpi_nodes){{0}};
    if (syscall(SYS_get_mempolicy, &mode, nodes->words, TPI_NODES, start, MPOL_F_ADDR) != 0) return false;
    return tpi_nodes_count(nodes) > 0 || tpi_nodes_read(TPI_CPU_NODES, nodes);
}

/* With `nodes` moves the pages there, and in any case tells in tpi_found where they are; a negative number is
 * an errno: a page that is not there. */
static bool tpi_ask(size_t n_pages, const int *nodes) {
    return syscall(SYS_move_pages, 0, n_pages, tpi_pages, nodes, tpi_found,
                   nodes != NULL ? MPOL_MF_MOVE : 0) >= 0;
}

static int tpi_first_node(const struct tpi_nodes *nodes) {
    unsigned node = 0;
    while (node < TPI_NODES && !tpi_nodes_has(nodes, node))
        node++;
    return (int)node;
}

/* Whether each page of tpi_found is where its policy wants it; if not, tpi_wanted names a node for it. */
static size_t tpi_mark(uintptr_t start, size_t n_pages, bool mixed, bool *strays) {
    struct tpi_nodes nodes;
    size_t count = 0;
    bool known = false;
    for (size_t i = 0; i < n_pages; i++) {
        if (i == 0 || mixed) known = tpi_policy_nodes(start + i * TPI_PAGE_BYTES, &nodes);
        strays[i] = known && tpi_found[i] >= 0 && !tpi_nodes_has(&nodes, (uint64_t)tpi_found[i]);
        if (strays[i]) tpi_wanted[count++] = tpi_first_node(&nodes);
    }
    return count;
}

static void tpi_list(uintptr_t start, size_t n_pages) {
    for (size_t i = 0; i < n_pages; i++)
        tpi_pages[i] = (void *)(start + i * TPI_PAGE_BYTES);
}

size_t tpi_stragglers(uintptr_t start, size_t size, bool mixed, bool *strays) {
    size_t n_pages = size / TPI_PAGE_BYTES, n_strays = 0;
    for (size_t i = 0; i < n_pages; i++)
        strays[i] = false;
    tpi_list(start, n_pages);
    if (!tpi_ask(n_pages, NULL) || tpi_mark(start, n_pages, mixed, strays) == 0) return 0;
    for (size_t i = 0; i < n_pages; i++)
        if (strays[i]) tpi_pages[n_strays++] = (void *)(start + i * TPI_PAGE_BYTES);
    tpi_ask(n_strays, tpi_wanted);
    tpi_list(start, n_pages);
    return tpi_ask(n_pages, NULL) ? tpi_mark(start, n_pages, mixed, strays) : n_strays;
}
