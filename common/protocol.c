/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol.h"

static const struct {
	const char *name;
	int code;
} errors[PROTOCOL_ERROR_COUNT] = {
	[ERROR_NOT_JSON] = {"not-json", -32700},
	[ERROR_BAD_REQUEST] = {"bad-request", -32600},
	[ERROR_REQUEST_TOO_LONG] = {"request-too-long", -32600},
	[ERROR_UNKNOWN_METHOD] = {"unknown-method", -32601},
	[ERROR_BAD_PARAMETER] = {"bad-parameter", -32602},
	[ERROR_UNKNOWN_PARAMETER] = {"unknown-parameter", -32602},
	[ERROR_FAILED] = {"failed", -32000},
	[ERROR_NO_SUCH_TARGET] = {"no-such-target", -32001},
	[ERROR_NO_SUCH_PROCESS] = {"no-such-process", -32001},
	[ERROR_NO_SUCH_REQUEST] = {"no-such-request", -32001},
	[ERROR_NOT_PERMITTED] = {"not-permitted", -32002},
	[ERROR_NO_SAMPLES] = {"no-samples", -32003},
	[ERROR_KERNEL_THREAD] = {"kernel-thread", -32004},
	[ERROR_IS_FLAMED] = {"is-flamed", -32004},
	[ERROR_BUSY] = {"busy", -32005},
	[ERROR_CANCELLED] = {"cancelled", -32006},
};

const char *protocol_error_name(enum protocol_error error)
{
	return errors[error].name;
}

int protocol_error_code(enum protocol_error error)
{
	return errors[error].code;
}
