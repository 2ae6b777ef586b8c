/* The Corral plugin ABI, version 1.0. C99, C11 and C++20; no other header of Corral is needed to write a plugin.
 *
 * A plugin is a shared object with one exported symbol, the data object `corral_plugin`. Rules:
 *  - Every struct begins with `struct_size`, set by whoever fills the struct to CORRAL_SIZE(type). Members are only ever appended. Read a member
 *    that came after 1.0 only where CORRAL_HAS(pointer, member).
 *  - Messages (`request`, `reply`) are protobuf wire bytes of the messages in sdk/proto. A request belongs to the caller and lives until the function returns;
 *    a reply is written to the sink that the caller lends for the call.
 *  - Every function returns a corral_status unless it says otherwise; the sentence for the user goes to host->set_error before it returns.
 *  - No exception, C++ object, allocator, errno, locale or signal handler crosses.
 *  - Threads: [control] the host calls it from one thread at a time, never while another [control] call of the same plugin runs; [any] from any thread, also at once;
 *    [stream] from the thread that drives the stream, one call at a time for each stream.
 *  - State: a function pointer may be called between a successful init and shutdown unless it says otherwise.
 */
#ifndef CORRAL_ABI_H
#define CORRAL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_ABI_MAJOR 1u
#define CORRAL_ABI_MINOR 0u
#define CORRAL_MAGIC UINT64_C(0x314c4152524f4331)

/* Structs have no padding (compiled with -Werror=padded), so sizeof is the end of the last member. */
#define CORRAL_SIZE(type) ((uint64_t)sizeof(type))
#define CORRAL_HAS(pointer, member) \
  ((pointer)->struct_size >= (uint64_t)((const char *)(&(pointer)->member + 1) - (const char *)(pointer)) && (pointer)->member != 0)

typedef int32_t corral_status;
#define CORRAL_OK 0
#define CORRAL_INVALID 1     /* the user's input; the message says what and how to mend it */
#define CORRAL_UNSUPPORTED 2 /* not offered here: a normal answer where the caller asks */
#define CORRAL_NO_SPACE 3    /* a buffer, the disk or memory is too small */
#define CORRAL_ENVIRONMENT 4 /* a file, library, device or network failed */
#define CORRAL_BUG 5         /* broken contract, in the plugin or the host */
#define CORRAL_CHECK 6       /* a comparison or check that the user asked for failed */

#define CORRAL_LOG_INFO 0
#define CORRAL_LOG_WARNING 1
#define CORRAL_LOG_ERROR 2

/* Receives bytes. Lent for one call; the receiver of the bytes owns it. */
typedef struct corral_sink {
  uint64_t struct_size;
  void *context;
  /* Appends `size` bytes; `data` is the caller's and may be freed on return. [any]
     CORRAL_OK, or CORRAL_NO_SPACE with nothing appended. State: during the call that lent the sink. */
  corral_status (*write)(const struct corral_sink *sink, const void *data, uint64_t size);
} corral_sink;

/* What the host offers. Owned by the host, valid from init to the end of shutdown. */
typedef struct corral_host {
  uint64_t struct_size;
  uint32_t abi_major; /* of this host; the agreed minor is the smaller of both */
  uint32_t abi_minor;
  void *context;
  /* Keeps a copy of the sentence for the caller of the function that is about to fail, per thread. UTF-8, not terminated. [any] Returns CORRAL_OK.
     State: init to the end of shutdown. */
  corral_status (*set_error)(const struct corral_host *host, const char *text, uint64_t size);
  /* Writes one line to the host's log; `severity` is a CORRAL_LOG value; the text is copied. [any] Returns CORRAL_OK. State: init to the end of shutdown. */
  corral_status (*log)(const struct corral_host *host, int32_t severity, const char *text, uint64_t size);
  /* A further service by its id, owned by the host and valid like this struct, or null where this host has none of that id. [any] State: init to shutdown. */
  const void *(*get_service)(const struct corral_host *host, const char *id);
} corral_host;

/* The one exported symbol: `corral_plugin`, of this type. Strings are static. */
typedef struct corral_plugin_descriptor {
  uint64_t struct_size;
  uint64_t magic;     /* CORRAL_MAGIC */
  uint32_t abi_major; /* the ABI this plugin targets */
  uint32_t abi_minor;
  const char *kind; /* model, precision, optimizer, ... */
  const char *name; /* the name that flags use */
  const char *version;
  const char *license;
  /* Called once before anything else, and again only after shutdown. `host` is the host's and lives until shutdown has returned. Lifetime: load to shutdown. [control] State: loaded. */
  corral_status (*init)(const corral_host *host);
  /* The interface table of exactly this id, static and owned by the plugin, or null. [any] State: init to shutdown. */
  const void *(*get_interface)(const char *kind_id);
  /* Frees everything and joins all threads of the plugin; all instances are closed before. [control] State: after init; the last call. */
  corral_status (*shutdown)(void);
} corral_plugin_descriptor;

/* The shape of every cold-path function: message in, message out. `request` is the caller's for the call, `reply` is lent for the call. */
typedef corral_status (*corral_call)(const void *request, uint64_t request_size, const corral_sink *reply);

/* Whose names and files: of models and of what is added to them. */
#define CORRAL_DIALECTS {"hf", "megatron"}

#define CORRAL_MODEL_ID "corral.model/1"
/* A family of models. */
typedef struct corral_model {
  uint64_t struct_size;
  /* ModelRequest -> Graph: the forward pass up to the output `losses`, of inputs tokens, targets, positions, first_key, last_key, token_index, seed. Lifetime: call. [any] State: init to shutdown. */
  corral_call emit;
  /* DialectConfig -> Recognition. CORRAL_INVALID where the configuration is of this family but asks for what is not supported. Lifetime: call. [any] State: init to shutdown. */
  corral_call recognize;
  /* ConfigRequest -> the configuration file of the dialect, raw bytes. Lifetime: call. [any] State: init to shutdown. */
  corral_call write_config;
  /* WeightMapRequest -> WeightMap. Lifetime: call. [any] State: init to shutdown. */
  corral_call weight_map;
  /* DialectConfig -> ConfigReport, also of one that recognize refuses. May be null. Lifetime: call. [any] State: init to shutdown. */
  corral_call explain_config;
} corral_model;

#define CORRAL_PEFT_ID "corral.peft/1"
/* A method that trains few weights: freezes a model's parameters, adds its own, and merges them into the model's. Dialects as for models. */
typedef struct corral_peft {
  uint64_t struct_size;
  /* PassRequest (the model's forward graph) -> Graph: what is not trained is marked so, what is added are PARAMETER states. Unknown fields, nodes and
     attributes stay untouched. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
  /* PassRequest -> Graph over the same states, run once before a new run's first step, after the model's weights were read and the added parameters got
     their State.init: what follows from weights. Without nodes where nothing does. Lifetime: call. [any] State: init to shutdown. */
  corral_call initialize;
  /* PeftRequest -> Graph over states of the model and of transform, none trained: each output is a merged parameter, its name the parameter's. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call merge;
  /* PeftRequest -> WeightMap of all that is trained, added or the model's own. Lifetime: call. [any] State: init to shutdown. */
  corral_call weight_map;
  /* DialectConfig (an adapter's configuration) -> Recognition. CORRAL_INVALID where it is of this method but asks for what is not supported. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call recognize;
  /* PeftRequest -> the adapter's configuration file of the dialect, raw bytes. Lifetime: call. [any] State: init to shutdown. */
  corral_call write_config;
} corral_peft;

#define CORRAL_PRECISION_ID "corral.precision/1"
/* Takes the differentiated graph and states formats, casts and quantizations. */
typedef struct corral_precision {
  uint64_t struct_size;
  /* PassRequest -> Graph. Unknown fields, nodes and attributes stay untouched. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
} corral_precision;

#define CORRAL_PARALLEL_ID "corral.parallel/1"
/* A way to spread a step over ranks: states cuts before the kernel's partition, and rewrites nodes behind it. Each function may answer CORRAL_UNSUPPORTED: it has nothing to
   say there. */
typedef struct corral_parallel {
  uint64_t struct_size;
  /* ParallelRequest (the whole step's graph) -> Placement: cuts, the chunk of each scope, the schedule. A pure function of the request. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call place;
  /* ParallelRequest (the graph of one rank, with its conversions) -> Graph of the same meaning. Unknown fields, nodes and attributes stay untouched. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call lower;
} corral_parallel;

#define CORRAL_OPTIMIZER_ID "corral.optimizer/1"
/* Adds the update phase: states, nodes and the step inputs whose values `step_values` gives. */
typedef struct corral_optimizer {
  uint64_t struct_size;
  /* PassRequest -> Graph. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
  /* StepRequest -> StepValues, one for each input the transform added. A pure function of the request. Lifetime: call. [any] State: init to shutdown. */
  corral_call step_values;
  /* StepRequest (its step unused) -> nothing; CORRAL_INVALID with the sentence where the options cannot work together. Lifetime: call. [any] State: init to shutdown. */
  corral_call check;
} corral_optimizer;

#define CORRAL_CHECKPOINT_ID "corral.checkpoint/1"
typedef struct corral_reader corral_reader;
typedef struct corral_writer corral_writer;
/* A checkpoint format: tensors by name, as bytes, and files. Knows no model. Paths are UTF-8. A checkpoint is written by one or more parts, each with a writer of its own in
   any process of the run, and then committed once; until then `open` refuses it. */
typedef struct corral_checkpoint {
  uint64_t struct_size;
  /* Does this folder or file, a terminated path, look like mine? -> Probe. Reads little. Lifetime: call. [any] State: init to shutdown. */
  corral_status (*probe)(const char *path, const corral_sink *reply);
  /* Opens for reading and checks everything that can be checked without reading the tensors; the request is a CheckpointOpenRequest. The caller owns *reader until close.
     [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_reader **reader);
  /* -> TensorList, in the order that `read` counts. Lifetime: call. [any] State: open to close. */
  corral_status (*list)(corral_reader *reader, const corral_sink *reply);
  /* -> CheckpointInfo: the configuration, its dialect, and the files that go along. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_reader *reader, const corral_sink *reply);
  /* Copies `size` bytes at byte `offset` of tensor number `tensor` to `to`, the caller's. [any] State: open to close. */
  corral_status (*read)(corral_reader *reader, uint64_t tensor, uint64_t offset, void *to, uint64_t size);
  /* Frees the reader. [control] State: open; ends it. */
  corral_status (*close)(corral_reader *reader);
  /* Begins a part of a checkpoint in an existing folder; the request is a CheckpointWriteRequest, the same for every part but for `part`. Parts begin in any order and wait for
     none. CORRAL_UNSUPPORTED, with nothing written, where the format takes no parts. The caller owns *writer until finish or discard. [control] State: init to shutdown. */
  corral_status (*create)(const void *request, uint64_t request_size, corral_writer **writer);
  /* Writes `size` bytes at byte `offset` of tensor number `tensor` of the request; `data` is the caller's for the call. Each byte of a tensor comes once, from whichever
     part. [any] State: create to finish. */
  corral_status (*write)(corral_writer *writer, uint64_t tensor, uint64_t offset, const void *data, uint64_t size);
  /* Completes what this part wrote and closes its files; the writer is freed whatever the status. [control] State: create; ends it. */
  corral_status (*finish)(corral_writer *writer);
  /* Frees the writer without completing; files may stay, the caller removes them. [control] State: create; ends it. */
  corral_status (*discard)(corral_writer *writer);
  /* Makes the finished parts one checkpoint: headers, an index. Called once, after every part has finished, with the request of any of them. The caller syncs and renames.
     Lifetime: call. [control] State: init to shutdown. */
  corral_status (*commit)(const void *request, uint64_t request_size);
} corral_checkpoint;

#define CORRAL_TOKENIZER_ID "corral.tokenizer/1"
typedef struct corral_tokenizer_instance corral_tokenizer_instance;
#define CORRAL_ADD_SPECIAL 1u  /* encode: apply the post-processor (begin token); decode: unused */
#define CORRAL_SKIP_SPECIAL 2u /* decode: leave special tokens out */
#define CORRAL_PLAIN_TEXT 4u   /* encode: text that spells a special token is ordinary text */

/* Hands out documents one after the other. Lent for one call; owned by the host. */
typedef struct corral_text_source {
  uint64_t struct_size;
  void *context;
  /* The next document in *text and *size, valid until the next call; *text null at the end. [control] State: during the call that lent it. */
  corral_status (*next)(const struct corral_text_source *source, const char **text, uint64_t *size);
} corral_text_source;

typedef struct corral_tokenizer {
  uint64_t struct_size;
  /* Does this folder or file look like mine? -> Probe. Lifetime: call. [any] State: init to shutdown. */
  corral_status (*probe)(const char *path, const corral_sink *reply);
  /* Loads a folder or file; `options` are the encoded Options. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const char *path, const void *options, uint64_t options_size, corral_tokenizer_instance **instance);
  /* -> TokenizerInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_tokenizer_instance *instance, const corral_sink *reply);
  /* -> FileList: the tokenizer's files, byte for byte, for an export. Lifetime: call. [any] State: open to close. */
  corral_status (*files)(corral_tokenizer_instance *instance, const corral_sink *reply);
  /* Ids of UTF-8 text into `ids`, the caller's; *count says how many. `size` + 16 ids of capacity always suffice; CORRAL_NO_SPACE otherwise. [any] State: open to close. */
  corral_status (*encode)(corral_tokenizer_instance *instance, const char *text, uint64_t size, uint64_t flags, int32_t *ids, uint64_t capacity, uint64_t *count);
  /* Bytes of ids to the sink, UTF-8 with U+FFFD for what is none. Lifetime: call. [any] CORRAL_INVALID for an id that is not there. State: open to close. */
  corral_status (*decode)(corral_tokenizer_instance *instance, const int32_t *ids, uint64_t count, uint64_t flags, const corral_sink *reply);
  /* Bytes that one id stands for, raw (may be part of a character): for streaming. Lifetime: call. [any] State: open to close. */
  corral_status (*bytes_of)(corral_tokenizer_instance *instance, int32_t id, uint64_t flags, const corral_sink *reply);
  /* Frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_tokenizer_instance *instance);
  /* Trains on all documents of the source; the request is a TokenizerTrainRequest whose folder receives the files -> FileList without contents. Lifetime: call. [control] State: init to shutdown. */
  corral_status (*train)(const void *request, uint64_t request_size, const corral_text_source *source, const corral_sink *reply);
} corral_tokenizer;

#define CORRAL_DATASET_ID "corral.dataset/1"
typedef struct corral_dataset_instance corral_dataset_instance;

/* The host's tokenizer as a dataset sees it. Owned by the host, valid until the dataset is closed. */
typedef struct corral_encoder {
  uint64_t struct_size;
  void *context;
  /* Like corral_tokenizer.encode. Lifetime: call. [any] State: open to close of the dataset. */
  corral_status (*encode)(const struct corral_encoder *encoder, const char *text, uint64_t size, uint64_t flags, int32_t *ids, uint64_t capacity, uint64_t *count);
} corral_encoder;

/* Where a batch goes: arrays of the caller, each [rows, seq_length] row after row. */
typedef struct corral_batch {
  uint64_t struct_size;
  int32_t *tokens;
  int32_t *targets;   /* the token after tokens[i]; -1: none */
  int32_t *positions; /* place within the text, for RoPE */
  int32_t *first_key; /* first place of the row that this token may attend to */
  float *weights;     /* of each target in the loss, 0 or more: 1 unless the dataset writes another; without a target it counts nothing */
} corral_batch;

typedef struct corral_dataset {
  uint64_t struct_size;
  /* Opens and checks the data; the request is a DatasetRequest; `encoder` is null where no tokenizer is given. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, const corral_encoder *encoder, corral_dataset_instance **instance);
  /* -> DatasetInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_dataset_instance *instance, const corral_sink *reply);
  /* Fills `rows` rows, numbers first_row … of the endless, shuffled sequence of part `part`. A pure function of its arguments: nothing to save. Lifetime: call. [any] State: open to close. */
  corral_status (*fetch)(corral_dataset_instance *instance, uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch *batch);
  /* Frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_dataset_instance *instance);
  /* What the samples train, and some of them whole: a SampleQuery -> SampleReport. Lifetime: call. [any] State: open to close. */
  corral_status (*inspect)(corral_dataset_instance *instance, const void *request, uint64_t request_size, const corral_sink *reply);
  /* A chat as ids, as rows of this dataset hold it: a ChatRequest -> ChatReply. `encoder` is lent for the call. [any] State: init to shutdown. */
  corral_status (*render)(const void *request, uint64_t request_size, const corral_encoder *encoder, const corral_sink *reply);
  /* Makes files in this dataset's own form of documents: a DatasetBuildRequest -> DatasetBuildReply. `encoder` is lent for the call and null where no tokenizer is given; what fails leaves nothing behind. [control] State: init to shutdown. */
  corral_status (*build)(const void *request, uint64_t request_size, const corral_encoder *encoder, const corral_sink *reply);
} corral_dataset;

#define CORRAL_TRACKER_ID "corral.tracker/1"
typedef struct corral_tracker_instance corral_tracker_instance;
/* Receives a run's figures. */
typedef struct corral_tracker {
  uint64_t struct_size;
  /* The request is a TrackerOpen. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_tracker_instance **instance);
  /* One Metrics message. Lifetime: call. [control] State: open to close. */
  corral_status (*log)(corral_tracker_instance *instance, const void *metrics, uint64_t metrics_size);
  /* Flushes and frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_tracker_instance *instance);
} corral_tracker;

#define CORRAL_DEVICE_ID "corral.device/1"
typedef struct corral_device_instance corral_device_instance;
typedef struct corral_kernel corral_kernel;
typedef struct corral_stream corral_stream;
typedef struct corral_event corral_event;
typedef struct corral_recording corral_recording;

/* Type and extent of an operand. `shape` and `strides` (in elements; null: contiguous, last axis fastest) have `rank` members and are the caller's for the call. */
typedef struct corral_layout {
  uint64_t struct_size;
  uint32_t dtype; /* DType of graph.proto */
  uint32_t rank;
  const int64_t *shape;
  const int64_t *strides;
} corral_layout;

/* One attribute of a node; `count` members in the array that is not null, or a text. The caller's for the call. */
typedef struct corral_attribute {
  uint64_t struct_size;
  const char *name;
  const int64_t *integers;
  const double *numbers;
  const char *text;
  uint64_t count;
} corral_attribute;

/* A node as a device sees it. An absent operand is a null layout. The caller's for the call. */
typedef struct corral_node {
  uint64_t struct_size;
  const char *op;
  uint32_t num_inputs;
  uint32_t num_outputs;
  uint32_t num_attributes;
  uint32_t accumulate; /* bit i: output i is added to what is there */
  const corral_layout *const *inputs;
  const corral_layout *const *outputs;
  const corral_attribute *const *attributes;
} corral_node;

#define CORRAL_MEMORY_DEVICE 0u
#define CORRAL_MEMORY_HOST 1u /* host memory that the device copies from and to at full speed */

/* A place to run nodes. Work is queued on streams in order; a device of the host may run it before the call returns. */
typedef struct corral_device {
  uint64_t struct_size;
  /* The request is a DeviceOpen. The caller owns *device until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_device_instance **device);
  /* -> DeviceInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_device_instance *device, const corral_sink *reply);
  /* Frees the device; all that was made of it is freed before. [control] State: open; ends it. */
  corral_status (*close)(corral_device_instance *device);
  /* CORRAL_OK where `prepare` would take this node, CORRAL_UNSUPPORTED with the reason where not. Lifetime: call. [any] State: open to close. */
  corral_status (*supports)(corral_device_instance *device, const corral_node *node);
  /* Prepares a node once for these layouts. The caller owns *kernel until release; *workspace is how many bytes a launch needs. Holds no address. [control] State: open to close. */
  corral_status (*prepare)(corral_device_instance *device, const corral_node *node, corral_kernel **kernel, uint64_t *workspace);
  /* Queues a prepared node; addresses in the order of the node, null where absent, aligned to 64 bytes; allocates nothing.
     Lifetime: the arrays until it returns, the memory until the stream has passed it. [stream] State: prepare to release. */
  corral_status (*launch)(corral_kernel *kernel, void *const *inputs, void *const *outputs, void *workspace, corral_stream *stream);
  /* Frees a prepared node. [control] State: prepare; ends it. */
  corral_status (*release)(corral_kernel *kernel);
  /* `size` bytes aligned to 64, of a CORRAL_MEMORY kind. The caller owns *memory until free. [control] State: open to close. */
  corral_status (*allocate)(corral_device_instance *device, uint64_t size, uint32_t memory_kind, uint32_t flags, void **memory);
  /* Frees what allocate gave. [control] State: open to close. */
  corral_status (*free)(corral_device_instance *device, void *memory);
  /* Queues a copy between device or host addresses. Lifetime: the memory until the stream has passed it. [stream] State: open to close. */
  corral_status (*copy)(corral_device_instance *device, void *to, const void *from, uint64_t size, corral_stream *stream);
  /* Queues setting `size` bytes to zero. Lifetime: the memory until the stream has passed it. [stream] State: open to close. */
  corral_status (*zero)(corral_device_instance *device, void *to, uint64_t size, corral_stream *stream);
  /* A new stream. The caller owns *stream until stream_close. [control] State: open to close. */
  corral_status (*stream_open)(corral_device_instance *device, corral_stream **stream);
  /* Waits on the host until all that is queued on the stream is done. Lifetime: call. [stream] State: stream_open to stream_close. */
  corral_status (*stream_wait)(corral_stream *stream);
  /* Frees an idle stream. [control] State: stream_open; ends it. */
  corral_status (*stream_close)(corral_stream *stream);
  /* A new event. The caller owns *event until event_close. [control] State: open to close. */
  corral_status (*event_open)(corral_device_instance *device, corral_event **event);
  /* Records the present end of what is queued on the stream. Lifetime: both until the stream has passed the event. [stream] State: event_open to event_close. */
  corral_status (*event_record)(corral_event *event, corral_stream *stream);
  /* Makes a stream wait until the event's latest record has passed. Lifetime: the event until this stream has passed it. [stream] State: event_record to event_close. */
  corral_status (*event_await)(corral_event *event, corral_stream *stream);
  /* *done is 1 where the event's latest record has passed. Lifetime: call. [any] State: event_record to event_close. */
  corral_status (*event_query)(corral_event *event, uint32_t *done);
  /* Frees an event. [control] State: event_open; ends it. */
  corral_status (*event_close)(corral_event *event);
  /* The stream as the device's own libraries know it (cudaStream_t), owned by the device, or CORRAL_UNSUPPORTED. [any] State: stream_open to stream_close. */
  corral_status (*native_stream)(corral_stream *stream, void **native);
  /* Waits on the host until the event's latest record has passed. May be null: the host polls event_query. Lifetime: call. [any] State: event_record to event_close. */
  corral_status (*event_wait)(corral_event *event);
  /* Keeps what is queued on the stream from here on, launches, copies and zeros, instead of running it. Until record_end nothing waits for the stream, and no event is
     recorded on it or awaited by it. May be null, as the next three: CORRAL_UNSUPPORTED with nothing begun. Lifetime: call. [stream] State: stream_open to stream_close. */
  corral_status (*record_begin)(corral_stream *stream);
  /* Ends what record_begin began. The caller owns *recording until recording_close. [stream] State: record_begin; ends it. */
  corral_status (*record_end)(corral_stream *stream, corral_recording **recording);
  /* Queues all that was recorded, in its order and with its addresses, as often as it is called; allocates nothing.
     Lifetime: kernels and memory of the recording until the stream has passed it. [stream] State: record_end to recording_close. */
  corral_status (*replay)(corral_recording *recording, corral_stream *stream);
  /* Frees a recording that no stream still runs. [control] State: record_end; ends it. */
  corral_status (*recording_close)(corral_recording *recording);
  /* Seconds by the device's clock from the latest record of `from` to that of `to`, both passed, in *seconds. CORRAL_UNSUPPORTED without such a clock. Lifetime: call.
     [any] State: event_record to event_close. */
  corral_status (*event_seconds)(corral_event *from, corral_event *to, double *seconds);
  /* -> KernelInfo: what runs a prepared node, and how much a launch does. CORRAL_UNSUPPORTED where the device does not know. Lifetime: call. [any] State: prepare to release. */
  corral_status (*kernel_info)(corral_kernel *kernel, const corral_sink *reply);
  /* -> the algorithms that were chosen by measurement so far, in bytes of the device's own; none where nothing is measured. A device that is opened with them (DeviceOpen.choices)
     chooses the same, so that a run that resumes computes the same bits. Lifetime: call. [any] State: open to close. */
  corral_status (*choices)(corral_device_instance *device, const corral_sink *reply);
} corral_device;

#define CORRAL_COLLECTIVE_ID "corral.collective/1"
typedef struct corral_collective_instance corral_collective_instance;
typedef struct corral_communicator corral_communicator;
typedef struct corral_pending corral_pending;

/* What ranks of a communicator do together; n is their number. `count` is in elements. */
#define CORRAL_ALL_REDUCE 0u     /* from [count] -> to [count]: the reduction over the ranks; from may be to */
#define CORRAL_ALL_GATHER 1u     /* from [count] -> to [n count], in the order of the ranks */
#define CORRAL_REDUCE_SCATTER 2u /* from [n count] -> to [count]: the reduction of this rank's part */
#define CORRAL_ALL_TO_ALL 3u     /* from [n count] -> to [n count]: part i goes to rank i, part i of `to` comes from it */
#define CORRAL_SEND 4u           /* from [count] to `peer` */
#define CORRAL_RECEIVE 5u        /* to [count] from `peer` */

#define CORRAL_REDUCE_SUM 0u
#define CORRAL_REDUCE_MAX 1u
#define CORRAL_REDUCE_MIN 2u

/* One exchange of a communicator. Every rank of it gives the same kind, dtype, reduction and count, and all give their exchanges in one order. The caller's for the call. */
typedef struct corral_exchange {
  uint64_t struct_size;
  uint32_t kind;
  uint32_t dtype; /* DType of graph.proto */
  uint32_t reduction;
  uint32_t peer; /* of send and receive: a rank of the communicator */
  uint64_t count;
  const void *from;
  void *to;
} corral_exchange;

/* How ranks exchange tensors. CollectiveInfo.on_host says which of enqueue and start is offered; the other answers CORRAL_UNSUPPORTED. */
typedef struct corral_collective {
  uint64_t struct_size;
  /* Joins the run; the request is a CollectiveOpen. Waits for no other rank. The caller owns *collective until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_collective_instance **collective);
  /* -> CollectiveInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_collective_instance *collective, const corral_sink *reply);
  /* Leaves the run and frees the instance; all communicators are closed before. [control] State: open; ends it. */
  corral_status (*close)(corral_collective_instance *collective);
  /* A communicator of `count` ranks of the run, ascending; the place of a rank in the list is its rank there. Each of them calls it with the same list, and waits for the others.
     The caller owns *communicator until communicator_close. [any] State: open to close. */
  corral_status (*communicator_open)(corral_collective_instance *collective, const uint32_t *ranks, uint64_t count, corral_communicator **communicator);
  /* Frees an idle communicator; waits for no other rank. [control] State: communicator_open; ends it. */
  corral_status (*communicator_close)(corral_communicator *communicator);
  /* Queues an exchange of device memory on a stream, as corral_device.native_stream gives it. Lifetime: the memory until the stream has passed it.
     [stream] State: communicator_open to communicator_close. */
  corral_status (*enqueue)(corral_communicator *communicator, const corral_exchange *exchange, void *native_stream);
  /* Begins an exchange of host memory; waits for no other rank. Lifetime: the memory until finish has returned; the caller owns *pending until finish. One thread at a time for
     each communicator. [stream] State: communicator_open to communicator_close. */
  corral_status (*start)(corral_communicator *communicator, const corral_exchange *exchange, corral_pending **pending);
  /* Waits until the exchange is done on this rank; *pending is freed whatever the status. [any] State: start; ends it. */
  corral_status (*finish)(corral_pending *pending);
} corral_collective;

#ifdef __cplusplus
}
#endif
#endif
