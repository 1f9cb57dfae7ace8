/* The file plane's parts: lists, contents, patterns, claims, what comes home. */
#include "engine/files/arrival.h"
#include "base/le.h"
#include "engine/wire/gather.h"
#include "engine/wire/parcel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/clowder-test-files.XXXXXX";
static atomic_bool never;

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char *words = mem_printf("rm -rf %s", folder);
    int rv = system(words);
    free(words);
    return rv;
}

static char *in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

/* The same, to the end of the tests. */
static const char *in_folder_kept(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    char *path = in_folder(name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static void has(const char *name, const char *text)
{
    char *path = in_folder(name), got[100] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    assert_string_equal(got, text);
    fclose(f);
    free(path);
}

/* ---- lists ---- */

static void test_paths(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", ".hidden", "a/..b", "...", " ", "a\nb"}, *const bad[] = {"", "/",
                                                                                                "/a", "a/", "a//b", ".",
                                                                                                "..", "a/../b", "./a",
                                                                                                "a/."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(parcel_path_is_plain(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parcel_path_is_plain(bad[i]));
    assert_true(parcel_link_is_inside("a/b", "../c") && parcel_link_is_inside("a", "b/c/../d"));
    assert_false(parcel_link_is_inside("a", "../c") || parcel_link_is_inside("a/b", "../../c") ||
                 parcel_link_is_inside("a", "/etc") || parcel_link_is_inside("a", "b/../../c/b"));
}

static void test_list(void **state)
{
    (void)state;
    uint8_t name[CONTENT_HASH] = {7};
    char data[] = "a/data", big[] = "big", dir[] = "dir", link[] = "dir/link", here[] = "here";
    const struct parcel_entry entries[] = {
        {.type = PARCEL_DATA, .mode = 0640, .size = 3, .mtime_ns = 5, .path = data, .bytes = (const uint8_t *)"xyz"},
        {.type = PARCEL_CONTENT, .mode = 0755, .size = (uint64_t)5 << 32, .path = big, .bytes = name},
        {.type = PARCEL_FOLDER, .mode = 0700, .path = dir},
        {.type = PARCEL_LINK, .size = 6, .path = link, .bytes = (const uint8_t *)"../big"},
        {.type = PARCEL_PLACED, .size = 9, .path = here, .bytes = (const uint8_t *)"/tmp/x"}};
    struct buf b = {0};
    struct parcel_list list;
    for (size_t i = 0; i < 5; i++)
        parcel_add(&b, &entries[i]);
    assert_int_equal(parcel_list_read(&list, b.data, b.len, NULL), CLW_OK);
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(list.entries[i].path, entries[i].path);
        assert_true(list.entries[i].size == entries[i].size && list.entries[i].mode == entries[i].mode);
    }
    assert_memory_equal(list.entries[0].bytes, "xyz", 3);
    assert_memory_equal(list.entries[1].bytes, name, sizeof name);
    assert_string_equal((const char *)list.entries[3].bytes, "../big");
    parcel_list_fini(&list);
    for (size_t len = 1; len < b.len; len++) { /* cut short, it is whole entries or nothing */
        uint8_t *cut = mem_alloc(len);
        memcpy(cut, b.data, len);
        if (parcel_list_read(&list, cut, len, NULL) == CLW_OK)
            assert_true(list.count < 5);
        parcel_list_fini(&list);
        free(cut);
    }
    buf_fini(&b);
}

/* ---- contents ---- */

static void test_content(void **state)
{
    (void)state;
    char *path = in_folder("content");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    uint8_t *block = mem_zalloc(CONTENT_BLOCK), back[8];
    struct content one, other;
    block[5] = 1;
    assert_int_equal(content_write_block(fd, 0, block, CONTENT_BLOCK), 0);
    block[5] = 0;
    assert_int_equal(content_write_block(fd, 1, block, CONTENT_BLOCK), 0); /* a hole */
    assert_int_equal(content_write_block(fd, 2, (const uint8_t *)"end", 3), 0);
    assert_int_equal(content_read(&one, fd, 2 * CONTENT_BLOCK + 3, &never), 0);
    assert_int_equal(one.blocks, 3);
    assert_int_equal(content_read(&other, fd, 2 * CONTENT_BLOCK + 2, &never), ESTALE);
    assert_int_equal(content_read(&other, fd, 2 * CONTENT_BLOCK + 4, &never), ESTALE);
    assert_int_equal(pread(fd, back, sizeof back, 2 * CONTENT_BLOCK), 3);
    assert_int_equal(pwrite(fd, "E", 1, 2 * CONTENT_BLOCK), 1);
    assert_int_equal(content_read(&other, fd, 2 * CONTENT_BLOCK + 3, &never), 0);
    assert_memory_equal(one.hashes[1], other.hashes[1], CONTENT_HASH);
    assert_memory_not_equal(one.name, other.name, CONTENT_HASH);
    content_fini(&one);
    content_fini(&other);
    free(block);
    free(path);
    close(fd);
}

/* ---- patterns ---- */

static void finds(const char *pattern, const char *want)
{
    struct gather g = {.base = folder};
    struct buf got = {0};
    gather_pattern(&g, pattern);
    gather_sort(&g);
    for (size_t i = 0; i < g.count; i++)
        buf_printf(&got, "%s%s%s", i ? " " : "", g.found[i].path, S_ISDIR(g.found[i].st.st_mode) ? "/" : "");
    assert_null(g.why);
    assert_string_equal(buf_text(&got), want);
    buf_fini(&got);
    gather_fini(&g);
}

static void test_patterns(void **state)
{
    (void)state;
    put("p/1.x", "");
    put("p/d/2.x", "");
    put("p/d/e/3.x", "");
    put("p/.h", "");
    put("p/[a]*", "");
    finds("p/*.x", "p/1.x");
    finds("p/**/*.x", "p/1.x p/d/2.x p/d/e/3.x");
    finds("./p//d", "p/d/ p/d/2.x p/d/e/ p/d/e/3.x");
    finds("p/**/e", "p/d/e/ p/d/e/3.x");
    finds("p/\\[a\\]\\*", "p/[a]*");
    finds("p/.*", "p/.h");
    finds("p/[12].x", "p/1.x");
    finds("nothing/*", "");
    struct gather g = {.base = folder};
    assert_int_equal(gather_pattern(&g, "../x"), 0);
    assert_non_null(g.why);
    gather_fini(&g);
}

/* ---- what comes home ---- */

struct bringing {
    struct file_job *job;
    uint64_t index;
    const char *path, *text;
};

/* NULL, or why not. */
static char *bring(const struct bringing *b)
{
    struct buf list = {0};
    char *path = mem_strdup(b->path), *why = NULL;
    parcel_add(&list, &(struct parcel_entry){.type = PARCEL_DATA,
                          .mode = 0604,
                          .size = strlen(b->text),
                          .path = path,
                          .bytes = (const uint8_t *)b->text});
    struct blk *block = blk_new(list.len);
    memcpy(block->data, list.data, list.len);
    struct arrival *a = arrival_new(b->job, "in", 2, b->index, block, block->data, list.len, false, &never, &why);
    uint32_t files;
    uint64_t bytes;
    if (a)
        why = arrival_end(a, &files, &bytes);
    arrival_free(a);
    blk_rele(block);
    buf_fini(&list);
    free(path);
    return why;
}

static void refuses(struct bringing b, const char *word)
{
    char *why = bring(&b);
    assert_non_null(why);
    assert_non_null(strstr(why, word));
    free(why);
}

static void takes(struct bringing b)
{
    assert_null(bring(&b));
    has(b.path, b.text);
}

static struct file_job *new_job(const char *out, const char *other, const char *results)
{
    struct func f;
    func_init(&f);
    f.dir = mem_strdup(folder);
    f.results = results ? mem_strdup(results) : NULL;
    func_add_text(&f.outs, out);
    if (other)
        func_add_text(&f.outs, other);
    struct file_job *j = file_job_new(&f, 022);
    func_fini(&f);
    return j;
}

static void test_arrival(void **state)
{
    (void)state;
    struct file_job *j = new_job("{}.out", "r/**/*.y", NULL);
    struct stat st;
    put(".clowder-old.part", "left");
    put(".clowder-new.part", "");
    char *old = in_folder(".clowder-old.part"), *new = in_folder(".clowder-new.part");
    utimensat(AT_FDCWD, old, (struct timespec[]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0);
    takes((struct bringing){j, 0, "in.out", "one"});
    takes((struct bringing){j, 0, "in.out", "again"}); /* a copy of the same task */
    refuses((struct bringing){j, 1, "in.out", "two"}, "task 1 of this job has brought");
    assert_true(access(old, F_OK) && access(new, F_OK) == 0);
    free(old);
    free(new);
    takes((struct bringing){j, 1, "r/a/b/c.y", "deep"});
    takes((struct bringing){j, 1, "r/d.y", "flat"});
    refuses((struct bringing){j, 1, "r/d.z", ""}, "was not asked for");
    refuses((struct bringing){j, 1, "other.out", ""}, "was not asked for");
    char *path = in_folder("in.out");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0604);
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    refuses((struct bringing){j, 0, "in.out", ""}, "a link is in the way");
    unlink(path);
    mkdir(path, 0700);
    refuses((struct bringing){j, 0, "in.out", ""}, "directory");
    rmdir(path);
    free(path);
    file_job_rele(j);
}

static void test_results(void **state)
{
    (void)state;
    struct file_job *j = new_job("x", NULL, in_folder_kept("res"));
    for (uint64_t i = 0; i < 2; i++)
        assert_null(bring(&(struct bringing){j, i, "x", i ? "two" : "one"}));
    has("res/1/x", "one");
    has("res/2/x", "two");
    file_job_rele(j);
}

/* A content in blocks, which breaks off and goes on, and one that is not what its name says. */
static void test_blocks(void **state)
{
    (void)state;
    struct file_job *j = new_job("big", NULL, NULL);
    uint8_t *data = mem_zalloc(CONTENT_BLOCK), hashes[2][CONTENT_HASH], name[CONTENT_HASH];
    char path[] = "big", *why, *file = in_folder("big");
    struct buf list = {0}, needs = {0};
    uint32_t files;
    uint64_t bytes;
    data[9] = 9;
    content_hash(hashes[0], data, CONTENT_BLOCK);
    content_hash(hashes[1], "end", 3);
    content_name(name, CONTENT_BLOCK + 3, (const uint8_t(*)[CONTENT_HASH])hashes, 2);
    parcel_add(
        &list, &(struct parcel_entry){
                   .type = PARCEL_CONTENT, .mode = 0600, .size = CONTENT_BLOCK + 3, .path = path, .bytes = name});
    struct blk *block = blk_new(list.len);
    memcpy(block->data, list.data, list.len);
    struct arrival *a = arrival_new(j, "", 0, 0, block, block->data, list.len, false, &never, &why);
    assert_true(arrival_needs(a, &needs) && le_u64(needs.data) == 0);
    why = arrival_block(a, 1, (const uint8_t *)"end", 3); /* not the next one */
    assert_non_null(why);
    free(why);
    assert_null(arrival_block(a, 0, data, CONTENT_BLOCK));
    arrival_free(a); /* the line broke */
    buf_clear(&needs);
    a = arrival_new(j, "", 0, 0, block, block->data, list.len, false, &never, &why);
    assert_true(arrival_needs(a, &needs) && le_u64(needs.data) == 1);
    assert_null(arrival_block(a, 1, (const uint8_t *)"END", 3));
    assert_true(arrival_is_whole(a));
    why = arrival_end(a, &files, &bytes);
    assert_non_null(strstr(why, "changed while it was sent"));
    free(why);
    assert_int_equal(access(file, F_OK), -1);
    arrival_free(a);
    buf_clear(&needs);
    a = arrival_new(j, "", 0, 0, block, block->data, list.len, false, &never, &why);
    assert_true(arrival_needs(a, &needs) && le_u64(needs.data) == 0); /* none of it is trusted */
    assert_null(arrival_block(a, 0, data, CONTENT_BLOCK));
    assert_null(arrival_block(a, 1, (const uint8_t *)"end", 3));
    assert_null(arrival_end(a, &files, &bytes));
    assert_true(files == 1 && bytes == CONTENT_BLOCK + 3);
    arrival_free(a);
    blk_rele(block);
    buf_fini(&list);
    buf_fini(&needs);
    free(data);
    free(file);
    file_job_rele(j);
}

/* What a task needs, by the words of its function. */
static void test_needed(void **state)
{
    (void)state;
    struct func f;
    struct buf out = {0};
    struct file_sources sources = {0};
    struct parcel_list list;
    func_init(&f);
    f.dir = mem_strdup(folder);
    f.by_names = true;
    func_add_text(&f.ins, "n/{}.cfg");
    put("n/a.cfg", "cfg");
    put("a", "input");
    struct file_job *j = file_job_new(&f, 022);
    assert_null(file_job_list(j, "a", 1, 0, &never, &out, &sources));
    assert_int_equal(parcel_list_read(&list, out.data, out.len, NULL), CLW_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.entries[0].path, "a");
    assert_string_equal(list.entries[1].path, "n/a.cfg");
    parcel_list_fini(&list);
    file_sources_fini(&sources);
    buf_clear(&out);
    char *why = file_job_list(j, "b", 1, 0, &never, &out, &sources);
    assert_string_equal(why, "--in: there is no file 'n/b.cfg' here");
    free(why);
    buf_fini(&out);
    file_job_rele(j);
    func_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths), cmocka_unit_test(test_list),
        cmocka_unit_test(test_content), cmocka_unit_test(test_patterns), cmocka_unit_test(test_arrival),
        cmocka_unit_test(test_results), cmocka_unit_test(test_blocks), cmocka_unit_test(test_needed)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
