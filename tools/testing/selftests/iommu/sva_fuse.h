/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that takes its time: a FUSE server which holds back what is read until
 * it is told to go on. A page fault on a mapping of the file takes as long, be it
 * the CPU's or a function's. Each page is read once.
 */
#ifndef SVA_FUSE_H
#define SVA_FUSE_H

#include <sys/mount.h>
#include <sys/uio.h>

#include <linux/fuse.h>

#include "sva_util.h"

#define SVA_FUSE_PAGES	16
#define SVA_FUSE_FILE	2	/* its node; FUSE_ROOT_ID is the directory */
/* Nothing changes: nobody needs to ask again */
#define SVA_FUSE_VALID	1000000
#define SVA_FUSE_POLL_MS 5

/* Between the test and the server */
struct sva_fuse_ctl {
	bool hold;		/* do not answer what is read */
	unsigned int held;	/* so many reads are waiting for that */
};

struct sva_fuse {
	pid_t pid;
	struct sva_fuse_ctl *ctl;
	char *mem;		/* the file; whoever reads it waits */
	size_t len;
};

/* ---- the server ---- */

struct sva_fuse_server {
	int dev;
	struct sva_fuse_ctl *ctl;
	struct fuse_in_header held[SVA_FUSE_PAGES];
	unsigned int nr_held;
};

struct sva_fuse_request {
	struct fuse_in_header header;
	char body[FUSE_MIN_READ_BUFFER];
};

static inline void sva_fuse_answer(struct sva_fuse_server *srv,
				   const struct fuse_in_header *in, int error,
				   const void *body, size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len,
		.error = error,
		.unique = in->unique,
	};
	struct iovec parts[] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = (void *)body, .iov_len = len },
	};

	/* ENOENT: nobody waits for it any more */
	if (writev(srv->dev, parts, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static inline struct fuse_attr sva_fuse_attr(uint64_t node)
{
	bool file = node == SVA_FUSE_FILE;

	return (struct fuse_attr) {
		.ino = node,
		.mode = file ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.size = file ? SVA_FUSE_PAGES * sva_page_size() : 0,
	};
}

static inline void sva_fuse_init(struct sva_fuse_server *srv,
				 const struct fuse_in_header *in)
{
	/* No read-ahead: one page at a time */
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	sva_fuse_answer(srv, in, 0, &out, sizeof(out));
}

/* There is one file, whatever its name */
static inline void sva_fuse_lookup(struct sva_fuse_server *srv,
				   const struct fuse_in_header *in)
{
	struct fuse_entry_out out = {
		.nodeid = SVA_FUSE_FILE,
		.entry_valid = SVA_FUSE_VALID,
		.attr_valid = SVA_FUSE_VALID,
		.attr = sva_fuse_attr(SVA_FUSE_FILE),
	};

	sva_fuse_answer(srv, in, 0, &out, sizeof(out));
}

static inline void sva_fuse_getattr(struct sva_fuse_server *srv,
				    const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = SVA_FUSE_VALID,
		.attr = sva_fuse_attr(in->nodeid),
	};

	sva_fuse_answer(srv, in, 0, &out, sizeof(out));
}

static inline void sva_fuse_open(struct sva_fuse_server *srv,
				 const struct fuse_in_header *in)
{
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };

	sva_fuse_answer(srv, in, 0, &out, sizeof(out));
}

static inline void sva_fuse_hold_read(struct sva_fuse_server *srv,
				      const struct fuse_in_header *in)
{
	if (srv->nr_held == SVA_FUSE_PAGES)
		_exit(1);
	srv->held[srv->nr_held++] = *in;
}

/* Every page is full of zeroes */
static inline void sva_fuse_answer_reads(struct sva_fuse_server *srv)
{
	static const char zeroes[65536];

	while (srv->nr_held)
		sva_fuse_answer(srv, &srv->held[--srv->nr_held], 0, zeroes,
				sva_page_size());
}

static inline void sva_fuse_handle(struct sva_fuse_server *srv,
				   const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_INIT:
		return sva_fuse_init(srv, in);
	case FUSE_LOOKUP:
		return sva_fuse_lookup(srv, in);
	case FUSE_GETATTR:
		return sva_fuse_getattr(srv, in);
	case FUSE_OPEN:
		return sva_fuse_open(srv, in);
	case FUSE_READ:
		return sva_fuse_hold_read(srv, in);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		sva_fuse_answer(srv, in, -EOPNOTSUPP, NULL, 0);
	}
}

static inline void sva_fuse_serve(struct sva_fuse_server *srv)
{
	struct pollfd poller = { .fd = srv->dev, .events = POLLIN };
	struct sva_fuse_request request;

	for (;;) {
		if (!__atomic_load_n(&srv->ctl->hold, __ATOMIC_ACQUIRE))
			sva_fuse_answer_reads(srv);
		__atomic_store_n(&srv->ctl->held, srv->nr_held,
				 __ATOMIC_RELEASE);

		if (poll(&poller, 1, SVA_FUSE_POLL_MS) <= 0)
			continue;
		if (read(srv->dev, &request, sizeof(request)) > 0)
			sva_fuse_handle(srv, &request.header);
		else if (errno == ENODEV)
			_exit(0);
	}
}

/* ---- the test ---- */

/* Fork the server of what is mounted at @dir; takes @dev */
static inline int sva_fuse_fork(struct sva_fuse *fuse, int dev)
{
	struct sva_fuse_server srv = { .dev = dev, .ctl = fuse->ctl };

	fuse->pid = sva_fork();
	if (!fuse->pid)
		sva_fuse_serve(&srv);
	close(dev);
	return fuse->pid < 0 ? -errno : 0;
}

static inline int sva_fuse_mount(const char *dir)
{
	int dev = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char options[80];
	int err;

	if (dev < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0", dev, S_IFDIR);
	if (mount("sva", dir, "fuse", MS_NOSUID | MS_NODEV, options)) {
		err = -errno;
		close(dev);
		return err;
	}
	return dev;
}

/* The mapping alone keeps the mount */
static inline int sva_fuse_map(struct sva_fuse *fuse, const char *dir)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/slow", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fuse->mem = mmap(NULL, fuse->len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return fuse->mem == MAP_FAILED ? -errno : 0;
}

static inline int sva_fuse_mount_and_map(struct sva_fuse *fuse, const char *dir)
{
	int dev = sva_fuse_mount(dir);
	int ret;

	if (dev < 0)
		return dev;
	ret = sva_fuse_fork(fuse, dev);
	if (!ret)
		ret = sva_fuse_map(fuse, dir);
	umount2(dir, MNT_DETACH);
	return ret;
}

/* A file that holds back what is read; -ENOENT: no FUSE in the kernel */
static inline int sva_fuse_open_file(struct sva_fuse *fuse)
{
	char dir[] = "/tmp/sva_fuse.XXXXXX";
	int ret;

	fuse->len = SVA_FUSE_PAGES * sva_page_size();
	fuse->ctl = mmap(NULL, sizeof(*fuse->ctl), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fuse->ctl == MAP_FAILED || !mkdtemp(dir))
		return -errno;
	fuse->ctl->hold = true;

	ret = sva_fuse_mount_and_map(fuse, dir);
	rmdir(dir);
	return ret;
}

static inline bool sva_fuse_holds(struct sva_fuse *fuse)
{
	return __atomic_load_n(&fuse->ctl->held, __ATOMIC_ACQUIRE);
}

/* Answer everything from now on */
static inline void sva_fuse_go_on(struct sva_fuse *fuse)
{
	__atomic_store_n(&fuse->ctl->hold, false, __ATOMIC_RELEASE);
}

/* Without its server the file fails everybody who waits */
static inline void sva_fuse_close_file(struct sva_fuse *fuse)
{
	if (fuse->pid > 0) {
		kill(fuse->pid, SIGKILL);
		sva_reap(fuse->pid);
	}
	munmap(fuse->mem, fuse->len);
}

#endif /* SVA_FUSE_H */
