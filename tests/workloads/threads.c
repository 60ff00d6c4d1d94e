/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads: two named threads that run for ever, "alpha" in alpha_work and "beta" in beta_work,
 * while the main thread waits.
 */
#include <pthread.h>
#include <stddef.h>

#include "tests/workloads/work.h"

static work_frame void alpha_work(void)
{
	work(1000);
}

static work_frame void beta_work(void)
{
	work(1000);
}

static void *run_alpha(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "alpha");
	for (;;)
		alpha_work();
	return NULL;
}

static void *run_beta(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "beta");
	for (;;)
		beta_work();
	return NULL;
}

int main(void)
{
	pthread_t alpha, beta;

	if (pthread_create(&alpha, NULL, run_alpha, NULL) ||
	    pthread_create(&beta, NULL, run_beta, NULL))
		return 1;
	pthread_join(alpha, NULL);
	pthread_join(beta, NULL);
	return 0;
}
