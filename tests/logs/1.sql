-- A simulated lab of two clips, one saved and rated, one failed, as schema 1 kept it. Never changed.
BEGIN TRANSACTION;
CREATE TABLE events (
	seq INTEGER NOT NULL, 
	task VARCHAR, 
	kind VARCHAR, 
	at FLOAT, 
	data VARCHAR, 
	PRIMARY KEY (seq)
);
INSERT INTO "events" VALUES(1,'kn-1c2206a41a7af1eda3024821','planned',1767225600.0,'{}');
INSERT INTO "events" VALUES(2,'kn-30d8130823c0c0e5d2e9818d','planned',1767225600.0,'{}');
INSERT INTO "events" VALUES(3,'kn-1c2206a41a7af1eda3024821','intent',1767225600.0,'{"call": {"method": "POST", "url": "http://simulator/kling/v1/videos/text2video", "body": {"model_name": "kling-v2-5-turbo", "prompt": "a fox", "mode": "std", "external_task_id": "kn-1c2206a41a7af1eda3024821"}}, "account": "6c2190"}');
INSERT INTO "events" VALUES(4,'kn-30d8130823c0c0e5d2e9818d','intent',1767225600.0,'{"call": {"method": "POST", "url": "http://simulator/kling/v1/videos/text2video", "body": {"model_name": "kling-v2-5-turbo", "prompt": "a boat #sim:fail", "mode": "std", "external_task_id": "kn-30d8130823c0c0e5d2e9818d"}}, "account": "6c2190"}');
INSERT INTO "events" VALUES(5,'kn-1c2206a41a7af1eda3024821','accepted',1767225600.0,'{"id": "849403295910924186", "data": {"path": "/v1/videos/text2video", "created_ms": 1767225600000}}');
INSERT INTO "events" VALUES(6,'kn-30d8130823c0c0e5d2e9818d','accepted',1767225600.0,'{"id": "876392858471711402", "data": {"path": "/v1/videos/text2video", "created_ms": 1767225600000}}');
INSERT INTO "events" VALUES(7,'kn-1c2206a41a7af1eda3024821','status',1767225639.647,'{"state": "running", "reason": ""}');
INSERT INTO "events" VALUES(8,'kn-30d8130823c0c0e5d2e9818d','status',1767225639.647,'{"state": "running", "reason": ""}');
INSERT INTO "events" VALUES(9,'kn-1c2206a41a7af1eda3024821','ready',1767225650.273,'{"asset": {"url": "http://simulator/cdn/bs2/upload-kling-api/7558223238/text2video/Cjhd6c7e7ee844571eca8473cb73f139986-0_raw_video_1.mp4", "credential": false}, "cost": {"amount": "1.5", "unit": "units", "usd": "0.210", "figures": {"units": "1.5", "balance": "0.21", "list price": "0.21"}}}');
INSERT INTO "events" VALUES(10,'kn-1c2206a41a7af1eda3024821','saved',1767225650.273,'{"clip": {"path": "clips/kling_kling-v2-5-turbo_std_kn-1c2206a41a7af1eda3024821.mp4", "sha256": "9c9612d4e071ca47b53ad0451cecb43a2ecef5fc50bdc665fa296b81cd0bb9d5", "bytes": 31476, "width": 224, "height": 126, "fps": 24.0, "seconds": 5.042, "sound": false, "flags": []}}');
INSERT INTO "events" VALUES(11,'kn-30d8130823c0c0e5d2e9818d','failed',1767225692.968,'{"reason": "kling (provider): Service internal error; not tried again; it may have been charged, so it counts as spent; run.retry() tries again", "cause": "provider", "charged": null}');
INSERT INTO "events" VALUES(12,'kn-1c2206a41a7af1eda3024821','noted',1767225692.968,'{"rating": 4.0, "note": "good"}');
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','1');
INSERT INTO "meta" VALUES('simulated','1');
INSERT INTO "meta" VALUES('lab','a1f112d259ef4378810061563ed63846');
INSERT INTO "meta" VALUES('daily_budget','20');
CREATE TABLE points (
	run VARCHAR NOT NULL, 
	point INTEGER NOT NULL, 
	sample INTEGER, 
	identity VARCHAR, 
	task VARCHAR, 
	template VARCHAR, 
	variables VARCHAR, 
	losses VARCHAR, 
	PRIMARY KEY (run, point)
);
INSERT INTO "points" VALUES('old',0,1,'87f84c8d611677ebe41bab97b4c96f51','kn-1c2206a41a7af1eda3024821','a {what}','{"what": "fox"}','[]');
INSERT INTO "points" VALUES('old',1,1,'3dc6ec610ea9c8e4fbe1f8993229bf1e','kn-30d8130823c0c0e5d2e9818d','a boat #sim:fail','{}','[]');
CREATE TABLE runs (
	name VARCHAR NOT NULL, 
	started_at FLOAT, 
	state VARCHAR, 
	budget VARCHAR, 
	sweep VARCHAR, 
	PRIMARY KEY (name)
);
INSERT INTO "runs" VALUES('old',1767225600.0,'running','5','design = "grid"
repeats = 1

[axes]
prompt = ["a {what}", "a boat #sim:fail"]
what = ["fox"]

[fixed]
model = "kling-v2-5-turbo"
mode = "std"
provider = "kling"
');
CREATE TABLE tasks (
	id VARCHAR NOT NULL, 
	identity VARCHAR, 
	provider VARCHAR, 
	model VARCHAR, 
	run VARCHAR, 
	state VARCHAR, 
	reason VARCHAR, 
	cause VARCHAR, 
	note VARCHAR, 
	estimate_low VARCHAR, 
	estimate_high VARCHAR, 
	request VARCHAR, 
	call VARCHAR, 
	ticket VARCHAR, 
	asset VARCHAR, 
	cost VARCHAR, 
	clip VARCHAR, 
	attempt INTEGER, 
	unwanted INTEGER, 
	charged INTEGER, 
	rating FLOAT, 
	planned_at FLOAT, 
	submitted_at FLOAT, 
	accepted_at FLOAT, 
	changed_at FLOAT, 
	done_at FLOAT, 
	saved_at FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "tasks" VALUES('kn-1c2206a41a7af1eda3024821','87f84c8d611677ebe41bab97b4c96f51','kling','kling-v2-5-turbo','old','saved','','','good','0.21','0.21','{"prompt": "a fox", "model": "kling-v2-5-turbo", "mode": "std"}','{"method": "POST", "url": "http://simulator/kling/v1/videos/text2video", "body": {"model_name": "kling-v2-5-turbo", "prompt": "a fox", "mode": "std", "external_task_id": "kn-1c2206a41a7af1eda3024821"}}','{"id": "849403295910924186", "data": {"path": "/v1/videos/text2video", "created_ms": 1767225600000}}','{"url": "http://simulator/cdn/bs2/upload-kling-api/7558223238/text2video/Cjhd6c7e7ee844571eca8473cb73f139986-0_raw_video_1.mp4", "credential": false}','{"amount": "1.5", "unit": "units", "usd": "0.210", "figures": {"units": "1.5", "balance": "0.21", "list price": "0.21"}}','{"path": "clips/kling_kling-v2-5-turbo_std_kn-1c2206a41a7af1eda3024821.mp4", "sha256": "9c9612d4e071ca47b53ad0451cecb43a2ecef5fc50bdc665fa296b81cd0bb9d5", "bytes": 31476, "width": 224, "height": 126, "fps": 24.0, "seconds": 5.042, "sound": false, "flags": []}',1,0,NULL,4.0,1767225600.0,1767225600.0,1767225600.0,1767225650.273,1767225650.273,1767225650.273);
INSERT INTO "tasks" VALUES('kn-30d8130823c0c0e5d2e9818d','3dc6ec610ea9c8e4fbe1f8993229bf1e','kling','kling-v2-5-turbo','old','failed','kling (provider): Service internal error; not tried again; it may have been charged, so it counts as spent; run.retry() tries again','provider','','0.21','0.21','{"prompt": "a boat #sim:fail", "model": "kling-v2-5-turbo", "mode": "std"}','{"method": "POST", "url": "http://simulator/kling/v1/videos/text2video", "body": {"model_name": "kling-v2-5-turbo", "prompt": "a boat #sim:fail", "mode": "std", "external_task_id": "kn-30d8130823c0c0e5d2e9818d"}}','{"id": "876392858471711402", "data": {"path": "/v1/videos/text2video", "created_ms": 1767225600000}}',NULL,NULL,NULL,1,0,NULL,NULL,1767225600.0,1767225600.0,1767225600.0,1767225692.968,1767225692.968,NULL);
CREATE INDEX ix_tasks_identity ON tasks (identity);
CREATE INDEX ix_tasks_state ON tasks (state);
CREATE INDEX ix_tasks_run ON tasks (run);
CREATE INDEX ix_events_task ON events (task);
CREATE INDEX ix_points_task ON points (task);
CREATE INDEX ix_points_identity ON points (identity);
COMMIT;
