/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The few kernel structures that the programs look into, cut down to the fields they use. Where
 * the fields are is found when the programs are loaded (CO-RE); a name behind ___ is a variant of
 * the same structure as other kernel versions have it.
 */
#ifndef FLAME_BPF_KERNEL_TYPES_BPF_H
#define FLAME_BPF_KERNEL_TYPES_BPF_H

#include <linux/bpf.h>

#define kernel_type __attribute__((preserve_access_index))

#define PAGE_SHIFT        12
#define VM_EXEC           4UL
#define PF_KTHREAD        0x00200000
#define DUMPABLE_MASK     3
#define DUMPABLE_BY_OWNER 1 /* SUID_DUMP_USER */
#define MAPLE_NODE_MASK   255UL
#define MAPLE_TYPE_SHIFT  3
#define MAPLE_TYPE_MASK   15
#define MAPLE_NODE_BYTES  256
#define FUSE_SUPER_MAGIC  0x65735546

enum maple_node_type { MAPLE_DENSE, MAPLE_LEAF_64, MAPLE_RANGE_64, MAPLE_ARANGE_64 };

struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
} kernel_type;

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
} kernel_type;

struct maple_tree {
	void *ma_root;
} kernel_type;

struct mm_context {
	void *vdso;
} kernel_type;

struct percpu_counter {
	__s64 count; /* without what CPUs have not handed in yet */
} kernel_type;

struct mm_struct {
	struct percpu_counter rss_stat[4];
	struct maple_tree mm_mt;
	struct mm_context context;
	unsigned long flags;
} kernel_type;

/* 6.18: the flags are a bitmap of their own type. */
struct mm_flags___bitmap {
	unsigned long __mm_flags[1];
} kernel_type;

struct mm_struct___bitmap {
	struct mm_flags___bitmap flags;
} kernel_type;

/* Grows with every change of the mappings: 6.14, and 6.4 to 6.13. */
struct kernel_seqcount {
	__u32 sequence; /* odd while one is under way */
} kernel_type;

struct mm_struct___counted {
	struct kernel_seqcount mm_lock_seq;
} kernel_type;

struct mm_struct___numbered {
	int mm_lock_seq;
} kernel_type;

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
} kernel_type;

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
} kernel_type;

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
	__s64 i_size;
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
} kernel_type;

/* 6.6 to 6.10 */
struct inode___hidden_mtime {
	struct timespec64 __i_mtime;
} kernel_type;

/* before 6.6 */
struct inode___plain_mtime {
	struct timespec64 i_mtime;
} kernel_type;

struct qstr {
	__u32 len;
	const unsigned char *name;
} kernel_type;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} kernel_type;

struct vfsmount {
	struct dentry *mnt_root;
} kernel_type;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} kernel_type;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} kernel_type;

struct fs_struct {
	struct path root;
} kernel_type;

struct file {
	struct inode *f_inode;
	struct path f_path;
} kernel_type;

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
} kernel_type;

struct kernel_id {
	__u32 val;
} kernel_type;

struct kernel_capabilities {
	__u64 val;
} kernel_type;

struct cred {
	struct kernel_id uid;
	struct kernel_id gid;
	struct kernel_id suid;
	struct kernel_id sgid;
	struct kernel_id euid;
	struct kernel_id egid;
	struct kernel_id fsuid;
	struct kernel_id fsgid;
	struct kernel_capabilities cap_permitted;
} kernel_type;

struct kernfs_node {
	__u64 id;
} kernel_type;

struct cgroup {
	struct kernfs_node *kn;
	int level;
	struct cgroup *ancestors[]; /* level + 1 of them, the root first */
} kernel_type;

struct css_set {
	struct cgroup *dfl_cgrp;
} kernel_type;

struct kernel_atomic {
	int counter;
} kernel_type;

struct kernel_atomic_long {
	__s64 counter;
} kernel_type;

/* before 6.2 */
struct mm_rss_stat {
	struct kernel_atomic_long count[4];
} kernel_type;

struct mm_struct___plain_count {
	struct mm_rss_stat rss_stat;
} kernel_type;

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
} kernel_type;

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each namespace, the outermost first */
} kernel_type;

struct signal_struct {
	struct pid *pids[4];
	struct kernel_atomic live;
} kernel_type;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} kernel_type;

struct files_struct {
	struct fdtable *fdt;
} kernel_type;

/* Since Linux 3.2, where groups may have a quota. */
struct cfs_rq {
	int throttle_count;
} kernel_type;

struct sched_entity {
	__u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq;
} kernel_type;

struct sched_info {
	unsigned long long run_delay;
} kernel_type;

struct bpf_iter_meta {
	struct seq_file *seq;
} kernel_type;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} kernel_type;

/* What user mode left in the registers; another name, for UAPI headers have one of this. */
struct pt_regs___kernel {
	unsigned long di;
	unsigned long orig_ax;
} kernel_type;

/* A call whose return is probed: its return address was replaced. */
struct return_instance {
	unsigned long stack; /* where it was */
	unsigned long orig_ret_vaddr;
	struct return_instance *next;
} kernel_type;

struct uprobe_task {
	struct return_instance *return_instances;
	unsigned long vaddr;     /* of the probed instruction that is run elsewhere */
	unsigned long xol_vaddr; /* there */
} kernel_type;

struct task_struct {
	struct uprobe_task *utask;
	unsigned int flags;
	unsigned int __state;
	int on_cpu;
	int exit_state;
	int pid;
	int tgid;
	__u64 start_boottime;
	__u64 self_exec_id;
	int pagefault_disabled;
	struct mm_struct *mm;
	unsigned int in_execve : 1;
	unsigned int in_iowait : 1;
	struct sched_entity se;
	struct sched_info sched_info;
	unsigned long nvcsw;
	unsigned long nivcsw;
	unsigned long min_flt;
	unsigned long maj_flt;
	struct pid *thread_pid;
	struct fs_struct *fs;
	struct files_struct *files;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	const struct cred *real_cred;
	struct css_set *cgroups;
	struct signal_struct *signal;
	char comm[16];
} kernel_type;

struct bpf_iter__task_vma {
	struct task_struct *task;
	struct vm_area_struct *vma;
} kernel_type;

#endif
