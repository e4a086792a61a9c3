// SPDX-License-Identifier: GPL-2.0
/*
 * Runs one test program in the guest and writes what it prints to the port the
 * host reads, each line with the time it came: "SECONDS KIND TEXT".
 *
 *	attend PORT mark KIND TEXT	one line
 *	attend PORT clock		tell the offset to the kernel log's clock
 *	attend PORT list PROGRAM [ARG]...	KIND l: the tests it would run
 *	attend PORT run SECONDS PROGRAM [ARG]...	KIND b, o..., e
 *
 * The program gets a pty, so that its lines come when it prints them. Processes
 * it leaves behind are killed: nothing else runs in the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN	4096
#define LIST_SECONDS	20
#define DRAIN_MS	300	/* a child that keeps the pty does not keep us */

static int port;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

__attribute__((format(printf, 2, 3)))
static void mark(char kind, const char *fmt, ...)
{
	char line[LINE_MAX_LEN + 64];
	size_t len, done = 0;
	va_list args;
	ssize_t n;

	len = snprintf(line, sizeof(line), "%.6f %c ", now(), kind);
	va_start(args, fmt);
	len += vsnprintf(line + len, sizeof(line) - len, fmt, args);
	va_end(args);
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	line[len++] = '\n';
	while (done < len) {
		n = write(port, line + done, len - done);
		if (n < 0 && errno != EINTR)
			die("test port");
		if (n > 0)
			done += n;
	}
}

/* Lines of the program; a line longer than the buffer is cut in pieces. */
static void forward(char kind, const char *data, size_t len)
{
	static char line[LINE_MAX_LEN];
	static size_t fill;
	size_t i;

	for (i = 0; i < len; i++) {
		if (data[i] != '\n')
			line[fill++] = data[i];
		if (data[i] == '\n' || fill == sizeof(line)) {
			mark(kind, "%.*s", (int)fill, line);
			fill = 0;
		}
	}
	if (!data && fill) {
		mark(kind, "%.*s", (int)fill, line);
		fill = 0;
	}
}

static int open_pty(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios tio;

	if (master < 0 || grantpt(master) || unlockpt(master))
		die("pty");
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (*slave < 0 || tcgetattr(*slave, &tio))
		die("pty");
	cfmakeraw(&tio);
	if (tcsetattr(*slave, TCSANOW, &tio))
		die("pty");
	return master;
}

static pid_t start(char **argv, int slave)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	setsid();
	null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	close(slave);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Returns the wait status, or -1 after @seconds. */
static int attend(char kind, int seconds, char **argv)
{
	double limit = now() + seconds, drain = 0;
	int slave, master = open_pty(&slave);
	pid_t pid = start(argv, slave);
	int status = 0;
	bool gone = false, late = false;
	struct pollfd pfd = { .fd = master, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	if (pid < 0)
		die("fork");
	close(slave);
	for (;;) {
		n = poll(&pfd, 1, 20) > 0 ? read(master, buf, sizeof(buf)) : 0;
		if (n > 0)
			forward(kind, buf, n);
		if (!gone && waitpid(pid, &status, WNOHANG) == pid) {
			gone = true;
			drain = now() + DRAIN_MS / 1e3;
		}
		if (gone && (n < 0 || now() > drain))
			break;
		if (!gone && !late && now() > limit) {
			late = true;
			kill(-1, SIGKILL);
		}
	}
	forward(kind, NULL, 0);
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(master);
	return late ? -1 : status;
}

static void run(int seconds, char **argv)
{
	int status;

	mark('b', "%s", argv[0]);
	status = attend('o', seconds, argv);
	if (status < 0)
		mark('e', "%s timeout %d", argv[0], seconds);
	else if (WIFSIGNALED(status))
		mark('e', "%s signal %d", argv[0], WTERMSIG(status));
	else
		mark('e', "%s exit %d", argv[0], WEXITSTATUS(status));
}

static void tell_clock(void)
{
	FILE *kmsg = fopen("/dev/kmsg", "w");

	if (!kmsg)
		die("/dev/kmsg");
	fprintf(kmsg, "<6>testbed: clock %.6f\n", now());
	fclose(kmsg);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	port = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (port < 0)
		die(argv[1]);
	if (!strcmp(argv[2], "clock"))
		tell_clock();
	else if (!strcmp(argv[2], "mark") && argc == 5)
		mark(argv[3][0], "%s", argv[4]);
	else if (!strcmp(argv[2], "list") && argc > 3)
		attend('l', LIST_SECONDS, argv + 3);
	else if (!strcmp(argv[2], "run") && argc > 4)
		run(atoi(argv[3]), argv + 4);
	else
		return 2;
	return 0;
}
